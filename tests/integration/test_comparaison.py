"""A second export compared with the first: arrivals, departures, changes of bureau, and homonyms told apart."""

from collections import Counter
from datetime import date

import pytest
from sqlalchemy import text

from schemas.vocabulary import Categorie, Liste, Nature
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES
from tests.integration.mouvements_desk import JOUR, MouvementsDesk
from tests.unit.reu_sample import (
    BUREAU,
    DATE,
    EUROPEENNE,
    NOM,
    NUMERO,
    PRENOMS,
    TITLES,
    VOIE,
    electeurs,
)
from worker.domain.mouvement import Effet, Etat
from worker.errors import ImportRefusedError
from worker.registre.comparaison import compare
from worker.registre.imports.history import undo_import
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=MouvementsDesk.open)]

USAGE, LIEU, PAYS = TITLES[4], TITLES[9], TITLES[11]
P = (COMMUNE, "P")


def _prenoms(desk: MouvementsDesk, nature: Nature) -> list[str]:
    return [it.personne.prenoms for it in desk.mouvements() if it.nature is nature]


def _row(**changes: str) -> dict[str, str]:
    names = {"nom": NOM, "prenoms": PRENOMS, "voie": VOIE, "bureau": BUREAU, "numero": NUMERO, "date": DATE}
    return electeurs(1)[0] | {names[name]: value for name, value in changes.items()}


@pytest.mark.slow
def test_the_first_import_of_a_list_makes_no_mouvement(desk: MouvementsDesk) -> None:
    found = desk.compare(electeurs(5))
    assert (found.listes, found.inscriptions, found.radiations) == (0, 0, 0)
    found = desk.compare([*electeurs(5), *electeurs(3, EUROPEENNE)])
    assert (found.listes, found.inscriptions, found.radiations) == (1, 0, 0)
    assert desk.rows("SELECT count(*) FROM mouvement") == [(0,)]


@pytest.mark.slow
def test_an_import_that_is_not_compared_makes_no_mouvement(desk: MouvementsDesk) -> None:
    desk.load(electeurs(5))
    assert desk.load(electeurs(9), intake=Intake(JOUR, no_compare="export partiel")).comparison is None
    assert desk.mouvements() == []


def test_who_came_who_left_and_who_votes_elsewhere(desk: MouvementsDesk) -> None:
    first = electeurs(10)
    desk.load(first)
    second = [*first[1:], *electeurs(12)[10:]]
    second[0] |= {BUREAU: "0002", NUMERO: "7"}
    second[1] |= {VOIE: "Rue Neuve"}
    second[2] |= {USAGE: "TILLEUL"}
    second[3] |= {NUMERO: "800"}
    found = desk.compare(second)
    assert (found.inscriptions, found.radiations, found.changements, found.others) == (2, 1, 1, 2)
    assert (found.homonyms, found.spellings, found.doubts) == (0, 0, 2), "they share all but a first name"
    assert _prenoms(desk, Nature.RADIATION) == ["Zoé A"]
    assert sorted(_prenoms(desk, Nature.INSCRIPTION)) == ["Zoé BA", "Zoé BB"]
    [change] = [it for it in desk.mouvements() if it.nature is Nature.MODIFICATION]
    assert (change.personne.prenoms, change.ancien_bureau, change.nouveau_bureau) == ("Zoé B", "0001", "0002")
    assert (change.numero, change.categorie, change.is_changement_bureau) == (7, Categorie.CHANGEMENT_BUREAU, True)
    assert change.motif == "Changement de bureau constaté dans l'export du REU"


def test_a_mouvement_says_all_that_a_tableau_prints(desk: MouvementsDesk) -> None:
    desk.load([*electeurs(5, EUROPEENNE), *electeurs(1)])
    desk.compare([*electeurs(6, EUROPEENNE), *electeurs(1)])
    [mouvement] = desk.mouvements(Liste.COMPLEMENTAIRE_EUROPEENNE)
    personne = mouvement.personne
    assert (mouvement.effet, mouvement.etat, mouvement.numero) == (Effet.IMMEDIAT, Etat.APPLIQUE, 6)
    assert (mouvement.date_mouvement, mouvement.date_tableau, mouvement.scrutin) == (JOUR, JOUR, None)
    assert (mouvement.ancien_bureau, mouvement.nouveau_bureau) == ("", "0001")
    assert (mouvement.categorie, mouvement.motif) == (Categorie.NON_PRECISEE, ""), "the export does not say"
    assert (personne.nom_naissance, personne.date_naissance) == ("D'AUBIGNE", "1962-03-14")
    assert (personne.commune_naissance, personne.departement_naissance, personne.pays_naissance) == (
        "MARSEILLE",
        "13",
        "FRANCE",
    )
    assert personne.adresse == "12 BIS Rue de l'Hôtel de Ville, 13001 MARSEILLE"
    assert (personne.nationalite, personne.is_protegee) == ("Belge", False)
    assert desk.rows("SELECT DISTINCT import_id, categorie FROM mouvement") == [(2, "")]


RUE, VILLE = "12 BIS Rue de l'Hôtel de Ville", "13001 MARSEILLE"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "adresse"),
    [
        ({}, f"{RUE}, {VILLE}"),
        ({"numéro de voie": "Sans"}, f"Rue de l'Hôtel de Ville, {VILLE}"),
        ({"complément 1": "Appt 7", "complément 2": "Bât B"}, f"Appt 7, Bât B, {RUE}, {VILLE}"),
        ({"numéro de voie": "0", "libellé de voie": "", "lieu-dit": "La Sauge"}, f"La Sauge, {VILLE}"),
        ({"code postal": "1000", "commune": "BRUXELLES", "pays": "BELGIQUE"}, f"{RUE}, 1000 BRUXELLES, BELGIQUE"),
        ({"pays": "France", "code postal": ""}, f"{RUE}, MARSEILLE"),
        (dict.fromkeys(TITLES[13:21], ""), ""),
    ],
)
def test_an_address_is_one_line(desk: MouvementsDesk, changes: dict[str, str], adresse: str) -> None:
    desk.load(electeurs(5))
    desk.compare([*electeurs(5), _row(prenoms="Ursule") | changes])
    assert [it.personne.adresse for it in desk.mouvements()] == [adresse]


@pytest.mark.slow
def test_undoing_an_import_removes_its_mouvements_and_no_others(desk: MouvementsDesk) -> None:
    desk.load(electeurs(5))
    desk.compare(electeurs(6))
    desk.compare(electeurs(8))
    assert undo_import(desk.engine).mouvements == 2
    assert desk.natures() == Counter({Nature.INSCRIPTION: 1})
    assert desk.counts() == {P: 6}


def test_a_corrected_spelling_is_the_same_elector(desk: MouvementsDesk) -> None:
    desk.load([_row(nom="D'AUBIGNE", prenoms="Zoé-Marie"), *electeurs(5)[1:]])
    corrected = _row(nom="d’Aubigné", prenoms="ZOE MARIE", bureau="0002")
    found = desk.compare([corrected, *electeurs(5)[1:]])
    assert (found.inscriptions, found.radiations, found.changements, found.spellings) == (0, 0, 1, 1)
    assert desk.comparison_report == [
        f"{COMMUNE};P;1;0001;1;0002;1;orthographe changée, même électeur : même adresse, autre bureau"
    ]


@pytest.mark.slow
def test_lists_that_a_service_changes_meanwhile_are_not_compared_wrongly(
    desk: MouvementsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.load(electeurs(5))
    make = compare.make_mouvements

    def meddle(connection: object, jour: date) -> None:
        make(connection, jour)  # type: ignore[arg-type]
        with desk.engine.begin() as other:
            other.execute(text("UPDATE liste SET version = -1"))

    monkeypatch.setattr(compare, "make_mouvements", meddle)
    with pytest.raises(ImportRefusedError, match="modifiées pendant leur comparaison"):
        desk.compare(electeurs(6))
    assert desk.rows("SELECT count(*) FROM mouvement") == [(0,)]


def test_a_report_never_replaces_another_file(desk: MouvementsDesk) -> None:
    pair = [_row(voie="Ici"), _row(voie="Là", numero="2")]
    desk.load([*pair, *electeurs(5)[2:]])
    precious = desk.folder / "reu-comparaison.csv"
    precious.write_text("à garder")
    with pytest.raises(ImportRefusedError, match="n'est pas un rapport de comparaison"):
        desk.compare([*pair, *electeurs(6)[2:]])
    assert (precious.read_text(), desk.counts()) == ("à garder", {P: 5})


def test_no_cell_of_the_report_can_become_a_formula(desk: MouvementsDesk) -> None:
    pair = [_row(voie="Ici"), _row(voie="Là", numero="2")]
    desk.load(pair)
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE electeur SET code_bureau = '=1+1'")
    desk.compare([*pair, _row(voie="Ailleurs", numero="3")], accept_changes=True)
    cells = [cell for line in desk.comparison_report for cell in line.split(";")]
    assert "'=1+1" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_the_report_goes_where_that_of_the_rejects_goes_and_names_nobody(desk: MouvementsDesk) -> None:
    pair = [_row(voie="Ici"), _row(voie="Là", numero="2")]
    desk.load([*pair, *electeurs(5)[2:]])
    elsewhere = desk.folder / "ailleurs"
    elsewhere.mkdir()
    found = desk.compare([*pair, *electeurs(6)[2:]], report=elsewhere / "rejets.csv")
    assert found.report == elsewhere / "reu-comparaison.csv"
    written = found.report.read_text("utf-8-sig")
    assert written.startswith("Commune;Liste;Groupe;Bureau avant;Numéro avant;Bureau après;Numéro après;Constat\n")
    assert not [word for word in ("AUBIGNE", "Zoé", "1962", "Rue", "Ici") if word in written]
