"""A second export compared with the first: who came, who left, who votes elsewhere, and homonyms told apart."""

import random
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from schemas.vocabulary import Categorie, Liste, Nature
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE, give_up_soon
from tests.integration.mouvements_desk import JOUR, MouvementsDesk, open_desk
from tests.unit.reu_sample import (
    BUREAU,
    DATE,
    EUROPEENNE,
    LISTE,
    NOM,
    NUMERO,
    PRENOMS,
    TITLES,
    VOIE,
    electeurs,
)
from tests.unit.reu_sample import COMMUNE as CODE
from worker.domain.mouvement import Effet, Etat, Mouvement
from worker.errors import ImportRefusedError
from worker.registre.comparaison import compare
from worker.registre.imports.undo import undo_import
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=open_desk)]

CUT_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
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
def test_each_list_is_compared_with_itself(desk: MouvementsDesk) -> None:
    desk.load([*electeurs(5), *electeurs(5, EUROPEENNE), *electeurs(5, {CODE: VOISINE})])
    found = desk.compare([*electeurs(6), *electeurs(5, EUROPEENNE)])
    assert (found.listes, found.inscriptions) == (2, 1)
    assert desk.natures() == Counter({Nature.INSCRIPTION: 1})
    assert not desk.natures(Liste.COMPLEMENTAIRE_EUROPEENNE)
    assert not desk.natures(commune=VOISINE), "a list that is not in the file is not touched"


def test_the_same_file_again_makes_no_mouvement(desk: MouvementsDesk) -> None:
    desk.load(electeurs(5))
    desk.compare(electeurs(6))
    again = desk.load(electeurs(6))
    assert (again.unchanged, again.comparison) == (True, None)
    assert len(desk.mouvements()) == 1


@pytest.mark.slow
def test_undoing_an_import_removes_its_mouvements_and_no_others(desk: MouvementsDesk) -> None:
    desk.load(electeurs(5))
    desk.compare(electeurs(6))
    desk.compare(electeurs(8))
    assert undo_import(desk.engine).mouvements == 2
    assert desk.natures() == Counter({Nature.INSCRIPTION: 1})
    assert desk.counts() == {P: 6}


@pytest.mark.slow
def test_homonyms_are_told_apart_by_their_address(desk: MouvementsDesk) -> None:
    here, there, far = (_row(voie=voie, numero=numero) for voie, numero in (("Ici", "1"), ("Là", "2"), ("Loin", "3")))
    desk.load([here, there, *electeurs(9)[1:]])
    found = desk.compare([there | {NUMERO: "1"}, far, *electeurs(9)[1:]])
    assert (found.inscriptions, found.radiations, found.changements, found.others) == (0, 0, 0, 1)
    assert found.homonyms == 1
    assert desk.comparison_report == [
        f"{COMMUNE};P;1;0001;2;0001;1;homonyme : même adresse, même bureau, autre numéro",
        f"{COMMUNE};P;1;0001;1;0001;3;homonyme : autre adresse, autre numéro, à vérifier",
    ]


def test_of_two_homonyms_the_one_who_left_is_the_one_whose_address_is_gone(desk: MouvementsDesk) -> None:
    here, there = _row(voie="Ici", numero="1"), _row(voie="Là", numero="2")
    desk.load([here, there, *electeurs(9)[1:]])
    found = desk.compare([there, *electeurs(9)[1:]])
    [radiation] = desk.mouvements()
    assert radiation.personne.adresse == "12 BIS Ici, 13001 MARSEILLE"
    assert (found.radiations, found.homonyms) == (1, 1)
    assert f"{COMMUNE};P;1;0001;1;;;homonyme : sans correspondant après, compté en radiation" in desk.comparison_report


@pytest.mark.slow
def test_homonyms_at_one_address_are_told_apart_by_their_number(desk: MouvementsDesk) -> None:
    pair = [_row(numero="4"), _row(numero="9")]
    desk.load([*pair, *electeurs(9)[1:]])
    desk.compare([pair[1], *electeurs(9)[1:]])
    assert [(it.nature, it.numero) for it in desk.mouvements()] == [(Nature.RADIATION, 4)]


def test_a_namesake_who_arrives_is_an_inscription(desk: MouvementsDesk) -> None:
    desk.load(electeurs(5))
    namesake = _row(voie="Ailleurs", bureau="0002", numero="77")
    found = desk.compare([*electeurs(5), namesake])
    assert [(it.nature, it.numero) for it in desk.mouvements()] == [(Nature.INSCRIPTION, 77)]
    assert (found.inscriptions, found.homonyms) == (1, 1)
    assert len(desk.comparison_report) == 2


def test_unchanged_homonyms_are_reported_and_make_no_mouvement(desk: MouvementsDesk) -> None:
    pair = [_row(voie="Ici"), _row(voie="Là", numero="2")]
    desk.load([*pair, *electeurs(5)[2:]])
    found = desk.compare([*pair, *electeurs(6)[2:]])
    assert (found.inscriptions, found.radiations, found.others, found.homonyms) == (1, 0, 0, 1)
    assert [line.rpartition(";")[2] for line in desk.comparison_report] == [
        "homonyme : même adresse, même bureau, même numéro"
    ] * 2


def test_a_line_that_stands_twice_is_two_electors(desk: MouvementsDesk) -> None:
    desk.load([_row(), _row(), *electeurs(5)[1:]])
    assert desk.compare([_row(), *electeurs(5)[1:]]).radiations == 1


def test_a_corrected_spelling_is_the_same_elector(desk: MouvementsDesk) -> None:
    desk.load([_row(nom="D'AUBIGNE", prenoms="Zoé-Marie"), *electeurs(5)[1:]])
    corrected = _row(nom="d’Aubigné", prenoms="ZOE MARIE", bureau="0002")
    found = desk.compare([corrected, *electeurs(5)[1:]])
    assert (found.inscriptions, found.radiations, found.changements, found.spellings) == (0, 0, 1, 1)
    assert desk.comparison_report == [
        f"{COMMUNE};P;1;0001;1;0002;1;orthographe changée, même électeur : même adresse, autre bureau"
    ]


def test_another_place_of_birth_alone_is_the_same_elector(desk: MouvementsDesk) -> None:
    desk.load([_row(), *electeurs(5)[1:]])
    found = desk.compare([_row() | {LIEU: "ARLES"}, *electeurs(5)[1:]])
    assert (found.inscriptions, found.radiations, found.doubts, found.others) == (0, 0, 0, 1)
    [line] = desk.comparison_report
    assert line == f"{COMMUNE};P;1;0001;1;0001;1;même électeur, corrigé : lieu de naissance"


@pytest.mark.slow
def test_the_country_stands_for_a_city_of_birth_that_is_not_known(desk: MouvementsDesk) -> None:
    born = [_row() | {LIEU: "", PAYS: pays} for pays in ("MAROC", "TUNISIE")]
    desk.load([*born, *electeurs(5)[1:]])
    found = desk.compare([born[1], *electeurs(5)[1:]])
    assert (found.radiations, found.homonyms) == (1, 0)
    assert [it.personne.pays_naissance for it in desk.mouvements()] == ["MAROC"]


@pytest.mark.slow
def test_electors_without_name_date_nor_bureau_are_counted_too(desk: MouvementsDesk) -> None:
    nobody = _row(nom="", prenoms="", date="", bureau="", numero="") | {LIEU: "", PAYS: ""}
    desk.load([nobody, nobody, *electeurs(5)])
    found = desk.compare([nobody | {BUREAU: "3"}, *electeurs(5)])
    assert (found.radiations, found.changements) == (1, 1)
    assert {(it.nature, it.nouveau_bureau) for it in desk.mouvements()} == {
        (Nature.MODIFICATION, "0003"),
        (Nature.RADIATION, ""),
    }


@pytest.mark.slow
def test_a_protected_elector_stays_so(desk: MouvementsDesk) -> None:
    desk.load(electeurs(5))
    desk.compare(electeurs(6))
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE mouvement SET is_protegee = true"))
    desk.compare(electeurs(5))
    assert [(it.nature, it.personne.is_protegee) for it in desk.mouvements()] == [
        (Nature.INSCRIPTION, True),
        (Nature.RADIATION, True),
    ]


def test_electors_that_a_service_wrote_are_compared_too(desk: MouvementsDesk) -> None:
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO liste (code_commune, liste) VALUES ('13055', 'P')")
    found = desk.compare(electeurs(2))
    assert (found.listes, found.inscriptions) == (1, 2)


@pytest.mark.slow
def test_the_balance_holds_for_every_list_and_bureau(desk: MouvementsDesk) -> None:
    rng = random.Random(7)
    rows: list[dict[str, str]] = [_draw(rng) for _ in range(40)]
    desk.load(rows)
    for _ in range(20):
        before = {liste: desk.bureaux_of(liste) for liste in (Liste.PRINCIPALE, Liste.COMPLEMENTAIRE_EUROPEENNE)}
        known = desk.rows("SELECT coalesce(max(id), 0) FROM mouvement")[0][0]
        identities = Counter(map(_identity, rows))
        rows = [_evolve(rng, row) for row in rows if rng.random() > 0.15] + [
            _draw(rng) for _ in range(rng.randrange(9))
        ]
        desk.compare(rows, accept_changes=True)
        news = {liste: [it for it in desk.mouvements(liste) if it.id > known] for liste in before}
        for liste, mouvements in news.items():
            assert _after(before[liste], mouvements) == desk.bureaux_of(liste)
        for key in identities | Counter(map(_identity, rows)):
            change = Counter(map(_identity, rows))[key] - identities[key]
            natures = Counter(
                it.nature for it in news[_LISTES[key[0]]] if (it.personne.prenoms, it.personne.nom_naissance) == key[1:]
            )
            assert natures[Nature.INSCRIPTION] - natures[Nature.RADIATION] == change, key


_LISTES = {"Liste principale": Liste.PRINCIPALE, EUROPEENNE[LISTE]: Liste.COMPLEMENTAIRE_EUROPEENNE}


def _draw(rng: random.Random) -> dict[str, str]:
    row = _row(prenoms=rng.choice(["Zoé", "Léo", "Guy"]), nom=rng.choice(["BÊCHE", "LUCARNE", "VERGER"]))
    row |= {LISTE: rng.choice(list(_LISTES))}
    return _evolve(rng, _evolve(rng, row, 1), 1)


def _evolve(rng: random.Random, row: dict[str, str], rate: float = 0.2) -> dict[str, str]:
    changes = {
        VOIE: rng.choice(["Rue A", "Rue B", "Rue C", ""]),
        BUREAU: rng.choice(["1", "2", "3", ""]),
        NUMERO: rng.choice(["1", "2", "3", "4", ""]),
        USAGE: rng.choice(["", "TISANE"]),
    }
    return row | {column: value for column, value in changes.items() if rng.random() < rate}


def _identity(row: dict[str, str]) -> tuple[str, str, str]:
    return row[LISTE], row[PRENOMS], row[NOM]


def _after(before: Counter[str], mouvements: list[Mouvement]) -> Counter[str]:
    after = Counter(before)
    for it in mouvements:
        if it.nature is not Nature.RADIATION:
            after[it.nouveau_bureau] += 1
        if it.nature is not Nature.INSCRIPTION:
            after[it.ancien_bureau] -= 1
    return Counter({bureau: count for bureau, count in after.items() if count})


@pytest.mark.slow
def test_a_comparison_that_fails_changes_nothing(desk: MouvementsDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.load(electeurs(5))

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(compare, "record_mouvements", fail)
    with pytest.raises(KeyboardInterrupt):
        desk.compare(electeurs(6))
    monkeypatch.undo()
    assert (desk.counts(), desk.mouvements()) == ({P: 5}, [])
    assert desk.compare(electeurs(6)).inscriptions == 1
    assert desk.stored() == 11


def test_a_connection_that_is_lost_meanwhile_changes_nothing(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_desk(postgres_url, tmp_path) as desk:
        desk.load(electeurs(5))

        def cut(*_: object) -> None:
            with desk.engine.connect() as connection:
                connection.execute(text(CUT_OTHERS))

        monkeypatch.setattr(compare, "find_doubts", cut)
        with pytest.raises(OperationalError):
            desk.compare(electeurs(6))
        monkeypatch.undo()
        assert (desk.counts(), desk.mouvements()) == ({P: 5}, [])
        assert desk.compare(electeurs(6)).inscriptions == 1


@pytest.mark.slow
def test_an_export_that_was_not_compared_can_be_compared_after_an_undo(desk: MouvementsDesk) -> None:
    desk.load(electeurs(5))
    desk.load(electeurs(6))
    undo_import(desk.engine)
    assert desk.compare(electeurs(6)).inscriptions == 1


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


@pytest.mark.slow
def test_others_write_while_lists_are_compared(desk: MouvementsDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.load(electeurs(5))
    make, written = compare.make_mouvements, []

    def look(connection: object, jour: date) -> None:
        make(connection, jour)  # type: ignore[arg-type]
        with desk.engine.begin() as other:
            give_up_soon(other)
            other.execute(text("UPDATE commune SET nom = nom"))
        written.append(True)

    monkeypatch.setattr(compare, "make_mouvements", look)
    desk.compare(electeurs(6))
    assert written


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
    desk.compare([*pair, _row(voie="Ailleurs", numero="3")])
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
