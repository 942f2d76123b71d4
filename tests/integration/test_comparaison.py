"""A second export compared with the first, of the commune or of an arrondissement: who came, left, changed bureau."""

from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from schemas.tableaux import TypeTableau
from schemas.vocabulary import Categorie, ImportQuestion, Liste, Nature
from tests.integration.import_desk import COMMUNE, JOUR, TWO_COMMUNES, MouvementsDesk
from tests.integration.tableau_desk import TableauDesk
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
from tests.unit.reu_sample import COMMUNE as CODE
from worker.domain.identite import Effet, Etat
from worker.errors import ImportRefusedError
from worker.registre.comparaison import compare
from worker.registre.imports.chain import read_chain
from worker.registre.imports.history import read_basis, undo_import
from worker.registre.reference import arrondissements_of
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=MouvementsDesk.open)]

USAGE, SEXE = TITLES[4], TITLES[6]
P = (COMMUNE, "P")


def _prenoms(desk: MouvementsDesk, nature: Nature) -> list[str]:
    return [it.personne.prenoms for it in desk.mouvements() if it.nature is nature]


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
    assert found.doubts == 2, "they share all but a first name"
    assert _prenoms(desk, Nature.RADIATION) == ["Zoé A"]
    assert sorted(_prenoms(desk, Nature.INSCRIPTION)) == ["Zoé BA", "Zoé BB"]
    [change] = [it for it in desk.mouvements() if it.nature is Nature.MODIFICATION]
    assert (change.personne.prenoms, change.ancien_bureau, change.nouveau_bureau) == (
        "Zoé B",
        "0001",
        "0002",
    )
    assert (change.numero, change.categorie, change.is_changement_bureau) == (
        7,
        Categorie.CHANGEMENT_BUREAU,
        True,
    )
    assert change.motif == "Changement de bureau constaté dans l'export du REU"


def test_a_mouvement_says_all_that_a_tableau_prints(desk: MouvementsDesk) -> None:
    desk.load([*electeurs(5, EUROPEENNE), *electeurs(1)])
    desk.compare([*electeurs(6, EUROPEENNE), *electeurs(1)])
    [mouvement] = desk.mouvements(Liste.COMPLEMENTAIRE_EUROPEENNE)
    personne = mouvement.personne
    assert (mouvement.effet, mouvement.etat, mouvement.numero) == (Effet.IMMEDIAT, Etat.APPLIQUE, 6)
    assert (mouvement.date_mouvement, mouvement.date_tableau, mouvement.scrutin) == (
        JOUR,
        JOUR,
        None,
    )
    assert (mouvement.ancien_bureau, mouvement.nouveau_bureau) == ("", "0001")
    assert (mouvement.categorie, mouvement.motif) == (Categorie.NON_PRECISEE, ""), (
        "the export does not say"
    )
    assert (personne.nom_naissance, personne.date_naissance) == ("D'AUBIGNE", "1962-03-14")
    assert (
        personne.commune_naissance,
        personne.departement_naissance,
        personne.pays_naissance,
    ) == ("MARSEILLE", "13", "FRANCE")
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
        (
            {"numéro de voie": "0", "libellé de voie": "", "lieu-dit": "La Sauge"},
            f"La Sauge, {VILLE}",
        ),
        (
            {"code postal": "1000", "commune": "BRUXELLES", "pays": "BELGIQUE"},
            f"{RUE}, 1000 BRUXELLES, BELGIQUE",
        ),
        ({"pays": "France", "code postal": ""}, f"{RUE}, MARSEILLE"),
        (dict.fromkeys(TITLES[13:21], ""), ""),
    ],
)
def test_an_address_is_one_line(
    desk: MouvementsDesk, changes: dict[str, str], adresse: str
) -> None:
    desk.load(electeurs(5))
    desk.compare([*electeurs(5), electeurs(1)[0] | {PRENOMS: "Ursule"} | changes])
    assert [it.personne.adresse for it in desk.mouvements()] == [adresse]


@pytest.mark.slow
def test_undoing_an_import_removes_its_mouvements_and_no_others(desk: MouvementsDesk) -> None:
    desk.load(electeurs(5))
    desk.compare(electeurs(6))
    desk.compare(electeurs(8))
    assert undo_import(desk.engine).mouvements == 2
    assert desk.natures() == Counter({Nature.INSCRIPTION: 1})
    assert desk.counts() == {P: 6}


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


FIRST, SECOND, THIRD = date(2026, 9, 10), date(2026, 10, 10), date(2026, 11, 10)
_NAMES = {"13201": "TILLEUL", "13202": "SUREAU"}

Rows = list[dict[str, str]]


def _of(arrondissement: str, count: int = 30) -> Rows:
    return electeurs(
        count, {CODE: arrondissement, NOM: _NAMES[arrondissement], BUREAU: arrondissement[-3:]}
    )


def _links(desk: MouvementsDesk) -> list[tuple[date, bool, int | None]]:
    with desk.engine.connect() as connection:
        links = read_chain(connection, COMMUNE, Liste.PRINCIPALE).links
    return [(it.taken_on, it.is_compared, it.electeurs) for it in links]


def test_the_next_export_of_one_arrondissement_leaves_the_other(desk: MouvementsDesk) -> None:
    desk.load([*_of("13201"), *_of("13202")], intake=Intake(FIRST))
    summary = desk.load(_of("13201", 31), intake=Intake(SECOND))
    assert (desk.counts(), summary.questions) == ({P: 61}, ())
    assert "30 électeurs de 13202 restent sur la liste P, sans changement" in summary.notes
    assert desk.natures() == {Nature.INSCRIPTION: 1}
    assert desk.rows(
        "SELECT arrondissement, count(*) FROM electeur NATURAL JOIN liste GROUP BY 1 ORDER BY 1"
    ) == [("13201", 31), ("13202", 30)]
    undo_import(desk.engine)
    assert desk.counts() == {P: 60}


@pytest.mark.slow
def test_a_tableau_names_the_export_of_one_arrondissement_on_which_it_rests(
    desk: MouvementsDesk, tmp_path: Path
) -> None:
    desk.load([*_of("13201"), *_of("13202")], intake=Intake(FIRST))
    desk.load(_of("13201", 31), intake=Intake(SECOND))
    asked = {"commune": COMMUNE, "reunion": FIRST.isoformat(), "until": THIRD.isoformat()}
    made = TableauDesk(desk.engine, tmp_path).make(TypeTableau.VINGT_JOURS, **asked)
    assert (
        "du 10/09/2026 (60 personnes) et du 10/10/2026 (61 personnes), mineurs compris" in made.text
    )
    (said,) = [line[-2] for line in made.anomalies if line[-1] == "couverture_fin"]
    assert "Les derniers exports des arrondissements sont de jours différents" in said


@pytest.mark.slow
def test_a_tableau_says_that_an_arrondissement_came_into_the_list(
    desk: MouvementsDesk, tmp_path: Path
) -> None:
    desk.load(_of("13201"), intake=Intake(FIRST))
    desk.load(_of("13202"), intake=Intake(date(2026, 9, 11)))
    for arrondissement in _NAMES:
        desk.load(_of(arrondissement), intake=Intake(SECOND), accept_changes=True)
    asked = {"commune": COMMUNE, "reunion": "2026-09-16", "until": SECOND.isoformat()}
    made = TableauDesk(desk.engine, tmp_path).make(TypeTableau.VINGT_JOURS, **asked)
    (said,) = [line[-2] for line in made.anomalies if line[-1] == "couverture_lacune"]
    assert said.startswith(
        "Un arrondissement est entré dans la liste après l'export du 10/09/2026, et celui du 10/10/2026 est le premier "
    )


@pytest.mark.slow
def test_the_list_is_known_as_of_a_day_of_which_are_all_its_exports(desk: MouvementsDesk) -> None:
    desk.load([*_of("13201"), *_of("13202")], intake=Intake(FIRST))
    desk.load(_of("13201", 31), intake=Intake(SECOND))
    desk.load(_of("13202", 29), intake=Intake(SECOND))
    assert _links(desk) == [(FIRST, False, 60), (SECOND, True, 60)], (
        "between the two no day has a whole list"
    )
    with desk.engine.connect() as connection:
        basis = [read_basis(connection, COMMUNE, "P", version) for version in (1, 2, 3)]
    assert [(it.imports, it.taken_on, it.electeurs) for it in basis if it] == [
        ({1}, FIRST, 60),
        ({1, 2}, FIRST, 61),
        ({2, 3}, SECOND, 60),
    ]


@pytest.mark.slow
def test_an_arrondissement_never_replaces_the_list_of_the_whole_commune(
    desk: MouvementsDesk,
) -> None:
    desk.load(electeurs(60), intake=Intake(FIRST))
    with pytest.raises(
        ImportRefusedError, match="cet export est celui de 13201, une partie de la commune 13055"
    ):
        desk.load(_of("13201"), intake=Intake(SECOND), accept_changes=True)
    assert desk.counts() == {P: 60}
    codes = sorted(arrondissements_of(COMMUNE))
    everywhere = [row | {CODE: codes[index % 16]} for index, row in enumerate(electeurs(61))]
    assert not desk.load(everywhere, intake=Intake(SECOND)).questions, (
        "all the arrondissements are the commune"
    )
    assert _links(desk) == [(FIRST, False, 60), (SECOND, True, 61)]


@pytest.mark.slow
def test_an_arrondissement_that_is_cut_is_judged_by_itself(desk: MouvementsDesk) -> None:
    desk.load([*_of("13201", 20), *_of("13202", 300)], intake=Intake(FIRST))
    with pytest.raises(
        ImportRefusedError, match="La liste principale de 13201 perdrait 6 électeurs connus sur 20"
    ):
        desk.load(_of("13201", 14), intake=Intake(SECOND))
    others = [row | {NOM: "FRENE", DATE: "02/02/1970"} for row in _of("13201", 20)]
    summary = desk.load(others, intake=Intake(SECOND), accept_changes=True)
    assert [it.kind for it in summary.questions] == [ImportQuestion.OTHER_POPULATION]
    assert desk.counts() == {P: 320}


@pytest.mark.parametrize(
    ("title", "values", "words"),
    [
        (PRENOMS, [f"Zoé {chr(65 + rank)}" for rank in range(24)], "prénoms"),
        (NOM, [f"{chr(65 + rank)}UBIER" for rank in range(24)], "nom de naissance"),
        (DATE, [f"{rank + 1:02}/03/1961" for rank in range(24)], "date de naissance"),
    ],
)
def test_a_column_that_was_sorted_alone_is_named(
    desk: MouvementsDesk, title: str, values: list[str], words: str
) -> None:
    others = {
        NOM: [f"FRENE{chr(65 + rank)}" for rank in range(24)],
        DATE: [f"14/{rank % 12 + 1:02}/{1950 + rank}" for rank in range(24)],
    }
    former = [
        row | {name: of[rank] for name, of in others.items()} | {title: value}
        for rank, (row, value) in enumerate(
            zip(electeurs(24), [values[0], *reversed(values[1:])], strict=True)
        )
    ]
    desk.load(former, intake=Intake(FIRST))
    ruined = [row | {title: value} for row, value in zip(former, values, strict=True)]
    with pytest.raises(ImportRefusedError) as refused:
        desk.load(ruined, intake=Intake(SECOND))
    said = str(refused.value)
    assert f"colonne « {words} » changerait seule pour 22 électeurs connus" in said
    assert "à partir de l'électeur n° 2 du fichier" in said
    assert "triée ou collée seule dans un tableur" in said
    assert "autre commune" not in said


_FEMALE = ("Armelle", "Iseult", "Joséphine", "Solange", "Violaine")
_MALE = ("Balthazar", "Edmond", "Gontran", "Tanguy", "Wilfried")


def _namesakes(number: int) -> list[dict[str, str]]:
    """Women and men who share ten first names."""
    names = [(name, sexe) for of, sexe in ((_FEMALE, "F"), (_MALE, "M")) for name in of]
    who = [names[rank % len(names)] for rank in range(number)]
    numbered = zip(electeurs(number), who, strict=True)
    return [row | {PRENOMS: f"{name} {row[PRENOMS]}", SEXE: sexe} for row, (name, sexe) in numbered]


def _sexes_sorted(number: int) -> list[dict[str, str]]:
    sound = _namesakes(number)
    return [
        row | {SEXE: sexe}
        for row, sexe in zip(sound, sorted(row[SEXE] for row in sound), strict=True)
    ]


def _names_cut(size: int, number: int = 220) -> list[dict[str, str]]:
    """Names of four to fourteen letters."""
    lengths = [4 + rank % 11 for rank in range(number)]
    names = [f"{chr(65 + rank % 26)}{chr(65 + rank // 26)}RBERETTELINS" for rank in range(number)]
    return [
        row | {NOM: name[: min(length, size)]}
        for row, name, length in zip(electeurs(number), names, lengths, strict=True)
    ]


def test_a_first_export_whose_sexes_were_sorted_alone_is_asked_about(desk: MouvementsDesk) -> None:
    with pytest.raises(ImportRefusedError, match="n'ont pas le sexe des autres porteurs"):
        desk.load(_sexes_sorted(44))


def test_a_first_export_whose_names_were_cut_is_asked_about(desk: MouvementsDesk) -> None:
    with pytest.raises(ImportRefusedError, match="ont 10 caractères, et aucun n'est plus long"):
        desk.load(_names_cut(10))


@pytest.mark.parametrize(
    "rows",
    [_namesakes(44), _sexes_sorted(38), _names_cut(9), _names_cut(10, 190), _names_cut(14)],
    ids=["sound", "few share a first name", "short names", "few names", "names of all lengths"],
)
def test_a_first_export_that_may_be_sound_raises_no_question(
    desk: MouvementsDesk, rows: list[dict[str, str]]
) -> None:
    assert not desk.load(rows).questions
