"""A tableau of a secteur of Marseille: only its electors; an elector from another secteur is an inscription."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from common.calendrier import CalendarReunion
from schemas.envelope import CloudEvent
from schemas.tableaux import Presentation, TypeTableau
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, MouvementsDesk
from tests.integration.tableau_desk import Made, TableauDesk
from tests.parts.notes import note_register
from tests.unit.reu_sample import BUREAU, PRENOMS, electeurs
from tests.unit.reu_sample import COMMUNE as CODE
from worker.errors import RefusedError
from worker.handlers.requests.ingest_request import ingest_request
from worker.registre.reference import arrondissements_of
from worker.registre.reu.importer import Intake
from worker.registre.scrutins import add_reunion

pytestmark = [pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=MouvementsDesk.open)]

FIRST, SECOND = date(2026, 9, 10), date(2026, 10, 10)
ASKED = {"commune": COMMUNE, "reunion": FIRST.isoformat(), "until": SECOND.isoformat()}
Row = dict[str, str]


def _in(row: Row, arrondissement: str) -> Row:
    return row | {CODE: arrondissement, BUREAU: f"{arrondissement[-2:]}01"}


def _everywhere(count: int) -> list[Row]:
    """The electors of all arrondissements in turn: the first and the seventh are the first secteur."""
    codes = sorted(arrondissements_of(COMMUNE))
    return [_in(row, codes[index % len(codes)]) for index, row in enumerate(electeurs(count))]


def _load(desk: MouvementsDesk, *exports: Iterable[Row]) -> None:
    for rows, day in zip(exports, (FIRST, SECOND), strict=False):
        desk.load(rows, intake=Intake(day), accept_changes=True)


def _make(desk: MouvementsDesk, folder: Path, **fields: Any) -> Made:  # noqa: ANN401 — of the request
    return TableauDesk(desk.engine, folder).make(TypeTableau.VINGT_JOURS, **ASKED | fields)


def test_the_tableau_of_a_secteur_has_its_mouvements_alone(
    desk: MouvementsDesk, tmp_path: Path
) -> None:
    before = _everywhere(64)
    after = [*before, *_everywhere(66)[64:]]  # one comes to the first secteur, one to the second
    after[0] = _in(after[0], "13202")  # leaves the first secteur
    after[16] = _in(after[16], "13207")  # stays in it, in another bureau
    after[1] = _in(after[1], "13207")  # comes from the second
    del after[17]  # leaves the second, and the town
    _load(desk, before, after)
    made = _make(desk, tmp_path, secteur=1)
    assert made.row["file_name"].startswith("tableau-vingt_jours-P-13055-secteur1-commune-")
    assert made.row["label"].startswith("Tableau des inscriptions et radiations (1er secteur)")
    assert "1er secteur (1er et 7e arrondissements). " in made.text
    shown = {it[PRENOMS] for it in (before[0], before[1], before[16], after[-2])}
    everybody = {it[PRENOMS] for it in [*before, *after]}
    assert {it for it in everybody if f" {it} " in made.text} == shown
    assert made.row["electeurs"] == 4
    assert "Électeurs avant 8 Inscriptions + 2 Radiations − 1 Électeurs après = 9" in made.text
    assert "Changement de bureau" in made.text
    whole = _make(desk, tmp_path)
    assert "secteur" not in whole.text
    assert whole.row["electeurs"] == 6
    of_bureaux = _make(desk, tmp_path, secteur=1, presentations=[Presentation.PAR_BUREAU])
    assert "Bureau 0101" in of_bureaux.text
    assert "Bureau 0701" in of_bureaux.text
    assert "Bureau 0201" not in of_bureaux.text
    assert "(1er secteur, par bureau)" in of_bureaux.row["label"]


def test_what_the_secteurs_of_a_town_have_adds_up_to_its_list(
    desk: MouvementsDesk, tmp_path: Path
) -> None:
    before = _everywhere(64)
    after = [_in(before[0], "13202"), *before[1:], *_everywhere(70)[64:]]
    _load(desk, before, after)
    numbers = [_make(desk, tmp_path, secteur=number).row["electeurs"] for number in range(1, 9)]
    assert sum(numbers) == _make(desk, tmp_path).row["electeurs"] + 1, "who moves is in two"


def test_a_secteur_is_refused_where_the_register_cannot_tell_it(
    desk: MouvementsDesk, tmp_path: Path
) -> None:
    tableaux = TableauDesk(desk.engine, tmp_path)
    _load(desk, electeurs(20))
    for fields, reason in (
        ({"secteur": 9}, "la commune 13055 n'a pas de 9e secteur"),
        ({"secteur": 1}, "importez l'export du REU de chaque arrondissement"),
    ):
        with pytest.raises(RefusedError, match=reason) as refused:
            tableaux.make(TypeTableau.VINGT_JOURS, **ASKED | fields)
        assert refused.value.code == "secteur_inconnu"
    shared = [row | {BUREAU: "0001"} for row in _everywhere(64)]
    desk.load(shared, intake=Intake(SECOND), accept_changes=True)
    with pytest.raises(RefusedError, match="le bureau 0001 est dans plusieurs secteurs"):
        tableaux.make(TypeTableau.VINGT_JOURS, **ASKED | {"secteur": 1})


def replace_bureau(row: Row) -> Row:
    return row | {BUREAU: "0001"}


def test_the_meetings_of_the_commune_are_not_those_of_a_secteur(
    desk: MouvementsDesk, tmp_path: Path
) -> None:
    _load(desk, _everywhere(64))
    with desk.engine.begin() as connection:
        add_reunion(connection, COMMUNE, CalendarReunion(FIRST))
    asked = {"commune": COMMUNE, "until": SECOND.isoformat()}
    tableaux = TableauDesk(desk.engine, tmp_path)
    assert tableaux.make(TypeTableau.VINGT_JOURS, **asked).row["secteur"] == 0
    with pytest.raises(RefusedError, match="indiquer la réunion précédente"):
        tableaux.make(TypeTableau.VINGT_JOURS, **asked, secteur=1)


def test_a_motif_that_is_noted_puts_the_tableau_of_its_secteur_alone_to_redo(
    desk: MouvementsDesk, tmp_path: Path
) -> None:
    _load(desk, _everywhere(64), _everywhere(66))
    _make(desk, tmp_path, secteur=1)
    _make(desk, tmp_path, secteur=2)
    (of_second,) = (it for it in desk.mouvements() if it.nouveau_bureau == "0201")
    motif = {"mouvement": of_second.id, "categorie": "inscription_volontaire"}
    noted = note_register("motifs", COMMUNE, motifs=[motif])
    tableaux = TableauDesk(desk.engine, tmp_path)
    event = CloudEvent.wrap(noted, source="/test")
    ingest_request(event, tableaux.services)
    assert tableaux.request(event)["outcome"] == "accepted"
    recalled = "SELECT secteur FROM export WHERE recall_id IS NOT NULL"
    assert desk.rows(recalled) == [(2,)]
