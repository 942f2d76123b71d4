"""The printed balance equals the register's: electors before and after a second export, by bureau."""

import re
from datetime import date

import pytest
from sqlalchemy import text

from schemas.tableaux import Presentation, TypeTableau
from schemas.vocabulary import DoubtDecision
from tests.integration.export_desk import decoded
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, MouvementsDesk
from tests.integration.tableau_desk import TableauDesk
from tests.unit.reu_sample import (
    BUREAU,
    DATE,
    LIBELLE_BUREAU,
    LIGNE,
    NOM,
    NUMERO,
    PRENOMS,
    VOIE,
    electeurs,
    write_mouvements,
)
from worker.registre.comparaison.doubts import decide_doubt, list_doubts
from worker.registre.imports.chain import set_taken_on
from worker.registre.imports.history import undo_import
from worker.registre.reu.importer import Intake

pytestmark = pytest.mark.database(TWO_COMMUNES)

FIRST, SECOND, THIRD = date(2026, 11, 1), date(2026, 11, 25), date(2026, 11, 28)
NAMES = {"0001": "HOTEL DE VILLE", "0002": "ECOLE", "0003": "GYMNASE"}
_OF_COMMUNE = re.compile(
    r"Électeurs avant (\d+) Inscriptions \+ (\d+) Radiations − (\d+) Électeurs après = (\d+)"
)


def _electeurs(nom: str, count: int, bureau: str) -> list[dict[str, str]]:
    return electeurs(count, {NOM: nom, BUREAU: bureau, LIBELLE_BUREAU: NAMES[bureau]})


STAY = [*_electeurs("RESTE", 12, "0001"), *_electeurs("RESTE ICI", 7, "0002")]
AT_FIRST = [*STAY, *_electeurs("PART", 4, "0001"), *_electeurs("PART AUSSI", 1, "0003")]
THEN = [*STAY, *_electeurs("ARRIVE", 5, "0003"), *_electeurs("ARRIVE AUSSI", 2, "0001")]


def _moved_to(bureau: str) -> list[dict[str, str]]:
    return _electeurs("DÉMÉNAGE", 3, bureau)


@pytest.mark.slow
def test_nobody_is_printed_only_where_it_is_known(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    """Two exports, the second taken after the meeting: « Néant » may be false, so the tableau is not ready."""
    register.load([*AT_FIRST, *_moved_to("0001")], intake=Intake(FIRST))
    meeting = date(2026, 11, 20)
    assert _gaps(tableaux, meeting) == ["couverture_fin"]
    register.load([*THEN, *_moved_to("0001")], intake=Intake(SECOND), accept_changes=True)
    assert _gaps(tableaux, meeting) == ["couverture_date"]
    assert "Néant" in _make(tableaux, FIRST, meeting, Presentation.COMMUNE), (
        "made all the same, and said everywhere"
    )
    set_taken_on(register.engine, 2, meeting)
    assert _gaps(tableaux, meeting) == []
    text = _make(tableaux, FIRST, meeting, Presentation.COMMUNE)
    assert "Néant" not in text
    assert (
        "D’après les exports du répertoire électoral unique du 01/11/2026 (27 personnes) et du 20/11/2026 "
        "(29 personnes), mineurs compris." in text
    )
    assert "À compléter, à ne publier que par décision motivée" in text
    undo_import(register.engine)
    register.load(
        [*THEN, *_moved_to("0001")],
        intake=Intake(meeting, no_compare="reprise d'une sauvegarde"),
        accept_changes=True,
    )
    assert _gaps(tableaux, meeting) == ["couverture_lacune"]


@pytest.mark.parametrize("named", [1, 3], ids=["one mouvement of six", "all of them"])
def test_a_word_does_not_outweigh_two_exports(
    register: MouvementsDesk, tableaux: TableauDesk, named: int
) -> None:
    """Three came and three left, so that the totals agree; the file of mouvements is said to be complete."""
    left, came = _electeurs("PART", 3, "0001"), _electeurs("ARRIVE", 3, "0001")
    register.load([*STAY, *left], intake=Intake(FIRST))
    register.load([*STAY, *came], intake=Intake(SECOND, no_compare="essai"), accept_changes=True)
    changes = {
        "nouveau bureau": "",
        "date": "20/11/2026",
        "effet": "Immediat",
        "état": "appliqué",
        "date de tableau": "",
    }
    noted = [
        LIGNE
        | changes
        | {"nature": nature, "nom de naissance": nom, "prénoms": it[PRENOMS], side: "1"}
        for nature, nom, side, rows in (
            ("inscription", "ARRIVE", "nouveau bureau", came),
            ("radiation", "PART", "ancien bureau", left),
        )
        for it in rows[:named]
    ]
    path = write_mouvements(register.folder / "mouvements.csv", noted)
    register.load_mouvements(path, complete_until=SECOND)
    made = tableaux.make(
        TypeTableau.VINGT_JOURS, commune=COMMUNE, reunion=FIRST, until=date(2026, 11, 24)
    )
    found = {line[-1]: line[0] for line in made.anomalies if line[-1].startswith("couverture")}
    assert found == (
        {"couverture_lacune": "remarque"} if named == 3 else {"couverture_contredite": "bloquante"}
    )


@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE electeur SET code_bureau = '0002' WHERE version = 1 AND code_bureau = '0001'"],
        [
            "UPDATE electeur SET nom_naissance = 'AUTRE' WHERE version = 2 AND nom_naissance = 'RESTE'"
        ],
        [
            "DELETE FROM mouvement WHERE id = (SELECT min(id) FROM mouvement WHERE nature = 'inscription')",
            "DELETE FROM mouvement WHERE id = (SELECT min(id) FROM mouvement WHERE nature = 'radiation')",
        ],
        ["UPDATE mouvement SET nom_naissance = 'AUTRE' WHERE nom_naissance = 'ARRIVE'"],
    ],
    ids=["bureaux of the list before", "names of the list", "two mouvements gone", "names"],
)
def test_what_another_service_changes_with_equal_sums_is_contradicted(
    register: MouvementsDesk, tableaux: TableauDesk, statements: list[str]
) -> None:
    left, came = _electeurs("PART", 3, "0001"), _electeurs("ARRIVE", 3, "0001")
    register.load([*STAY, *left], intake=Intake(FIRST))
    register.load([*STAY, *came], intake=Intake(SECOND), accept_changes=True)
    assert "couverture_contredite" not in _gaps(tableaux, SECOND)
    with register.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    assert "couverture_contredite" in _gaps(tableaux, SECOND)


def _homonym(bureau: str, numero: str, voie: str) -> dict[str, str]:
    same = {NOM: "MÉSANGE", PRENOMS: "Zoé", BUREAU: bureau, LIBELLE_BUREAU: NAMES[bureau]}
    return electeurs(1)[0] | same | {NUMERO: numero, VOIE: voie}


@pytest.mark.slow
def test_who_was_told_from_homonyms_by_a_guess_is_named(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    """Two homonyms at two addresses, then at two others: the register cannot tell which one lives where."""
    two = [_homonym("0001", "91", "Rue A"), _homonym("0002", "92", "Rue B")]
    there = [_homonym("0003", "93", "Rue C"), _homonym("0002", "94", "Rue D")]
    register.load([*STAY, *two], intake=Intake(FIRST))
    register.load([*STAY, *there], intake=Intake(SECOND))
    asked = {"commune": COMMUNE, "reunion": FIRST, "until": SECOND}
    made = tableaux.make(TypeTableau.VINGT_JOURS, **asked)
    line, _ = sorted(
        (line for line in made.anomalies if line[-1] == "homonymes_supposes"), key=lambda it: it[2]
    )
    assert line[:6] == ["remarque", "0003", "93", "MÉSANGE", "Zoé", "14/03/1962"]
    assert line[-2] == (
        "Homonymes que rien ne départage dans l'export du 25/11/2026 : celui d'avant (bureau 0001, n° 91) est supposé "
        "être celui d'après (bureau 0003, n° 93), à une autre adresse. Si c'est un autre qui est resté, les mouvements "
        "de ces homonymes sont à corriger : vérifier dans le REU."
    )
    assert "MÉSANGE" not in str(made.row["anomalies"]), "the row names nobody"
    register.load([*STAY, *there], intake=Intake(THIRD), accept_changes=True)
    later = tableaux.make(TypeTableau.VINGT_JOURS, commune=COMMUNE, reunion=SECOND, until=THIRD)
    assert "homonymes_supposes" not in [line[-1] for line in later.anomalies], (
        "it was of the period before"
    )
    undo_import(register.engine)
    undo_import(register.engine, 2)
    assert register.rows("SELECT count(*) FROM homonym") == [(0,)]


@pytest.mark.slow
def test_which_of_two_homonyms_has_left_is_to_be_said_before_the_tableau_is_posted(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    """Two homonyms at two addresses, then one of them at a third: the register cannot tell which one has left."""
    two = [_homonym("0001", "91", "Rue A"), _homonym("0002", "92", "Rue B")]
    register.load([*STAY, *two], intake=Intake(FIRST))
    register.load([*STAY, _homonym("0003", "93", "Rue C")], intake=Intake(SECOND))
    asked = {"commune": COMMUNE, "reunion": FIRST, "until": SECOND}
    made = tableaux.make(TypeTableau.VINGT_JOURS, **asked)
    assert made.row["bloquantes"] == 1
    (line,) = [line for line in made.anomalies if line[-1] == "doutes_ouverts"]
    assert line[0] == "bloquante"
    assert line[-2].startswith(
        "2 doutes sont ouverts : une radiation et une inscription sont peut-être celles d'une "
    )
    with register.engine.begin() as connection:
        one, _ = list_doubts(connection, COMMUNE)
        decide_doubt(connection, one.doute, DoubtDecision.SAME_PERSON, by="mairie")
    told = tableaux.make(TypeTableau.VINGT_JOURS, **asked)
    assert told.row["bloquantes"] == 0
    assert register.natures() == {"modification": 1, "radiation": 1}
    (figures,) = _OF_COMMUNE.findall(told.text)
    assert [int(figure) for figure in figures] == [21, 0, 1, 20]


@pytest.mark.slow
def test_a_birth_corrected_across_the_majority_says_why_the_count_is_another(
    register: MouvementsDesk, tableaux: TableauDesk
) -> None:
    young = _homonym("0001", "91", "Rue A") | {DATE: "01/06/2010"}
    register.load([*STAY, young], intake=Intake(FIRST))
    register.load([*STAY, young | {DATE: "01/06/2000"}], intake=Intake(SECOND))
    with register.engine.begin() as connection:
        (doubt,) = list_doubts(connection, COMMUNE)
        decide_doubt(connection, doubt.doute, DoubtDecision.SAME_PERSON, by="mairie")
    made = tableaux.make(TypeTableau.VINGT_JOURS, commune=COMMUNE, reunion=FIRST, until=SECOND)
    (line,) = [line for line in made.anomalies if line[-1] == "majorite_corrigee"]
    assert line[0] == "remarque"
    assert line[-2] == (
        "Un état civil a été corrigé (doutes : même personne) : un tableau fait avant finit sur un autre total que "
        "celui d'où part celui-ci, 1 électeur de plus, mineur d'après la date de naissance d'avant. Ce n'est ni une "
        "inscription ni une radiation."
    )
    (figures,) = _OF_COMMUNE.findall(made.text)
    assert [int(figure) for figure in figures] == [20, 0, 0, 20]
    register.load([*STAY, young | {DATE: "02/06/2000"}], intake=Intake(THIRD))
    with register.engine.begin() as connection:
        (doubt,) = list_doubts(connection, COMMUNE)
        decide_doubt(connection, doubt.doute, DoubtDecision.SAME_PERSON, by="mairie")
    later = tableaux.make(TypeTableau.VINGT_JOURS, commune=COMMUNE, reunion=SECOND, until=THIRD)
    assert "majorite_corrigee" not in [line[-1] for line in later.anomalies], "of age by both dates"


def _gaps(tableaux: TableauDesk, meeting: date) -> list[str]:
    made = tableaux.make(TypeTableau.VINGT_JOURS, commune=COMMUNE, reunion=FIRST, until=meeting)
    found = [line[-1] for line in made.anomalies]
    codes = [code for code in found if code.startswith("couverture")]
    is_blocking = bool(codes or "doutes_ouverts" in found)
    assert (made.row["bloquantes"] > 0) == is_blocking
    assert all(("À corriger, ne pas afficher" in page) == is_blocking for page in made.pages)
    record = decoded(made.row["anomalies"])
    said = {it["code"]: it["messages"] for it in record if it["code"] in codes}
    assert said == {
        code: [line[-2] for line in made.anomalies if line[-1] == code] for code in codes
    }
    return codes


def _make(tableaux: TableauDesk, first: date, last: date, presentation: Presentation) -> str:
    asked = {"commune": COMMUNE, "reunion": first, "until": last, "presentations": [presentation]}
    return tableaux.make(TypeTableau.VINGT_JOURS, **asked).text
