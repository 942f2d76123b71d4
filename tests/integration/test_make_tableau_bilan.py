"""The balance that is printed is that of the register: electors before and after a second export, by bureau."""

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from schemas.tableaux import Presentation, TypeTableau
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES
from tests.integration.mouvements_desk import MouvementsDesk
from tests.integration.mouvements_desk import open_desk as open_register
from tests.integration.tableau_desk import TableauDesk
from tests.unit.reu_sample import BUREAU, LIBELLE_BUREAU, NOM, electeurs
from worker.registre.imports.chain import set_taken_on
from worker.registre.imports.undo import undo_import
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES)]

FIRST, SECOND, THIRD = date(2026, 11, 1), date(2026, 11, 25), date(2026, 12, 8)
NAMES = {"0001": "HOTEL DE VILLE", "0002": "ECOLE", "0003": "GYMNASE"}
_ROW = re.compile(r"Bureau (\d+) — [A-Z ]+?((?: -?\d+){6})(?=$| )")
_OF_COMMUNE = re.compile(r"Électeurs avant (\d+) Inscriptions \+ (\d+) Radiations − (\d+) Électeurs après = (\d+)")


@pytest.fixture
def register(database_url: str, tmp_path: Path) -> Iterator[MouvementsDesk]:
    with open_register(database_url, tmp_path) as desk:
        yield desk


def _electeurs(nom: str, count: int, bureau: str) -> list[dict[str, str]]:
    return electeurs(count, {NOM: nom, BUREAU: bureau, LIBELLE_BUREAU: NAMES[bureau]})


STAY = [*_electeurs("RESTE", 12, "0001"), *_electeurs("RESTE ICI", 7, "0002")]
AT_FIRST = [*STAY, *_electeurs("PART", 4, "0001"), *_electeurs("PART AUSSI", 1, "0003")]
THEN = [*STAY, *_electeurs("ARRIVE", 5, "0003"), *_electeurs("ARRIVE AUSSI", 2, "0001")]
AT_LAST = [*STAY[:-1], *_electeurs("ARRIVE", 5, "0003"), *_electeurs("ARRIVE AUSSI", 3, "0001")]


def _moved_to(bureau: str) -> list[dict[str, str]]:
    return _electeurs("DÉMÉNAGE", 3, bureau)


def test_nobody_is_printed_only_where_it_is_known(register: MouvementsDesk, tmp_path: Path) -> None:
    """Two exports, one of them taken after the meeting: « Néant » may be false, and is not ready."""
    register.load([*AT_FIRST, *_moved_to("0001")], intake=Intake(FIRST))
    meeting = date(2026, 11, 20)
    desk = TableauDesk(register.engine, tmp_path / "exports")
    assert _gaps(desk, meeting) == ["couverture_fin"]
    register.load([*THEN, *_moved_to("0001")], intake=Intake(SECOND), accept_loss=True)
    assert _gaps(desk, meeting) == ["couverture_date"]
    assert "Néant" in _make(desk, FIRST, meeting, Presentation.COMMUNE), "made all the same, and said everywhere"
    set_taken_on(register.engine, 2, meeting)
    assert _gaps(desk, meeting) == []
    text = _make(desk, FIRST, meeting, Presentation.COMMUNE)
    assert "Néant" not in text
    assert "D’après les exports du répertoire électoral unique du 01/11/2026 et du 20/11/2026." in text
    assert "Un mouvement que montre la comparaison de deux exports porte la date du second." in text
    undo_import(register.engine)
    register.load(
        [*THEN, *_moved_to("0001")], intake=Intake(meeting, no_compare="reprise d'une sauvegarde"), accept_loss=True
    )
    assert _gaps(desk, meeting) == ["couverture_lacune"]


def _gaps(desk: TableauDesk, meeting: date) -> list[str]:
    made = desk.make(TypeTableau.VINGT_JOURS, commune=COMMUNE, reunion=FIRST, until=meeting)
    found = [line[-1] for line in made.anomalies]
    codes = [code for code in found if code.startswith("couverture")]
    is_blocking = bool(codes or "doutes_ouverts" in found)
    assert (made.row["bloquantes"] > 0) == is_blocking
    assert all(("À corriger, ne pas afficher" in page) == is_blocking for page in made.pages)
    known = made.row["anomalies"]
    record = json.loads(known) if isinstance(known, str) else known
    said = {it["code"]: it["messages"] for it in record if it["code"] in codes}
    assert said == {code: [line[-2] for line in made.anomalies if line[-1] == code] for code in codes}
    return codes


def test_it_is_what_two_exports_show(register: MouvementsDesk, tmp_path: Path) -> None:
    register.load([*AT_FIRST, *_moved_to("0001")], intake=Intake(FIRST))
    before = register.bureaux_of()
    register.load([*THEN, *_moved_to("0002")], intake=Intake(SECOND), accept_loss=True)
    after = register.bureaux_of()
    desk = TableauDesk(register.engine, tmp_path / "exports")
    recapitulatif = _make(desk, FIRST, SECOND, Presentation.RECAPITULATIF)

    rows = _rows(recapitulatif)
    assert rows == {
        "0001": [19, 2, 0, 4, 3, 14],
        "0002": [7, 0, 3, 0, 0, 10],
        "0003": [1, 5, 0, 1, 0, 5],
    }
    assert {code: row[0] for code, row in rows.items()} == before
    assert {code: row[-1] for code, row in rows.items()} == after
    for avant, inscriptions, arrivees, radiations, departs, apres in rows.values():
        assert avant + inscriptions + arrivees - radiations - departs == apres
    assert "Commune de Marseille 27 7 3 5 3 29" in recapitulatif
    for presentation in (Presentation.COMMUNE, Presentation.PAR_BUREAU):
        text = _make(desk, FIRST, SECOND, presentation)
        (figures,) = _OF_COMMUNE.findall(text)
        assert [int(figure) for figure in figures] == [before.total(), 7, 5, after.total()]
        assert "Changements de bureau dans la commune, sans effet sur ce total : 3" in text


def test_a_third_export_changes_nothing_to_the_tableau_of_the_second(register: MouvementsDesk, tmp_path: Path) -> None:
    register.load([*AT_FIRST, *_moved_to("0001")], intake=Intake(FIRST))
    register.load([*THEN, *_moved_to("0002")], intake=Intake(SECOND), accept_loss=True)
    desk = TableauDesk(register.engine, tmp_path / "exports")
    made = _make(desk, FIRST, SECOND, Presentation.RECAPITULATIF)
    register.load([*AT_LAST, *_moved_to("0003")], intake=Intake(THIRD), accept_loss=True)
    assert _make(desk, FIRST, SECOND, Presentation.RECAPITULATIF) == made
    rows = _rows(_make(desk, SECOND, THIRD, Presentation.RECAPITULATIF))
    assert {code: row[0] for code, row in rows.items()} == {code: row[-1] for code, row in _rows(made).items()}
    assert {code: row[-1] for code, row in rows.items()} == register.bureaux_of()


def _make(desk: TableauDesk, first: date, last: date, presentation: Presentation) -> str:
    asked = {"commune": COMMUNE, "reunion": first, "until": last, "presentations": [presentation]}
    return desk.make(TypeTableau.VINGT_JOURS, **asked).text


def _rows(text: str) -> dict[str, list[int]]:
    """The figures of each bureau."""
    return {code: [int(figure) for figure in figures.split()] for code, figures in _ROW.findall(text)}
