"""Completing what an export of the REU does not say: the day, the category and the motif of mouvements."""

from datetime import date
from typing import Any

import pytest

from schemas.declarations import CompletedMotif
from schemas.vocabulary import Categorie, Nature
from tests.integration.import_desk import COMMUNE, TWO_COMMUNES, VOISINE
from tests.integration.mouvements_desk import JOUR, MouvementsDesk, open_desk
from tests.unit.reu_sample import BUREAU, PRENOMS, electeurs
from worker.errors import ImportRefusedError, RefusedError
from worker.registre.imports.chain import set_taken_on
from worker.registre.mouvements.motifs import IncompleteMouvement, list_incomplete, note_motifs
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=open_desk)]


FIRST = date(2026, 9, 10)
"""The day of the export before; the second one is of JOUR, 25/11/2026."""


@pytest.fixture
def desk(desk: MouvementsDesk) -> MouvementsDesk:
    """A comparison that made a radiation, an inscription and a change of bureau."""
    first = electeurs(6)
    desk.load(first, intake=Intake(FIRST))
    newcomer = electeurs(1)[0] | {PRENOMS: "=Ursule"}
    desk.compare([first[1] | {BUREAU: "0002"}, *first[2:], newcomer])
    return desk


def _incomplete(desk: MouvementsDesk, commune: str = COMMUNE) -> dict[str, IncompleteMouvement]:
    with desk.engine.connect() as connection:
        return {it.nature: it for it in list_incomplete(connection, commune)}


def _note(desk: MouvementsDesk, nature: Nature, commune: str = COMMUNE, **fields: Any) -> None:  # noqa: ANN401
    """Complete the mouvement of that nature."""
    (number,) = desk.rows(f"SELECT id FROM mouvement WHERE nature = '{nature}'")[0]  # noqa: S608 — ours
    with desk.engine.begin() as connection:
        note_motifs(connection, commune, [CompletedMotif.model_validate({"mouvement": number} | fields)])


def _said(desk: MouvementsDesk) -> dict[Nature, tuple[Categorie, str]]:
    return {it.nature: (it.categorie, it.motif) for it in desk.mouvements()}


def _dates(desk: MouvementsDesk) -> dict[Nature, tuple[date | None, date]]:
    return {it.nature: (it.after, it.date_mouvement) for it in desk.mouvements()}


def test_what_is_not_said_is_listed_with_the_days_that_are_possible(desk: MouvementsDesk) -> None:
    interval = "après le 10/09/2026, au plus tard le 25/11/2026"
    assert [it[1:] for it in _incomplete(desk).values()] == [
        ("P", "inscription", "D'AUBIGNE", "=Ursule", "1962-03-14", "", None, interval),
        ("P", "radiation", "D'AUBIGNE", "Zoé A", "1962-03-14", "", None, interval),
    ]
    assert _incomplete(desk, VOISINE) == {}


def test_the_day_of_a_mouvement_is_unknown_until_it_is_noted(desk: MouvementsDesk) -> None:
    assert set(_dates(desk).values()) == {(FIRST, JOUR)}
    _note(desk, Nature.RADIATION, jour="2026-10-12")
    assert _dates(desk)[Nature.RADIATION] == (None, date(2026, 10, 12))
    assert _dates(desk)[Nature.INSCRIPTION] == (FIRST, JOUR)
    assert _said(desk)[Nature.RADIATION] == (Categorie.NON_PRECISEE, ""), "what is absent stays"
    assert _incomplete(desk)[Nature.RADIATION].jour == date(2026, 10, 12), "it has no category"
    _note(desk, Nature.INSCRIPTION, categorie="inscription_volontaire", jour="2026-11-25")
    assert [*_incomplete(desk)] == [Nature.RADIATION]


@pytest.mark.parametrize("jour", [date(2026, 9, 10), date(2026, 11, 26), date(2025, 10, 12)])
def test_a_day_that_is_not_between_the_two_exports_is_refused(desk: MouvementsDesk, jour: date) -> None:
    possible = "après le 10/09/2026, au plus tard le 25/11/2026"
    with pytest.raises(RefusedError, match=f"le {jour:%d/%m/%Y} n'est pas possible : {possible}") as refused:
        _note(desk, Nature.RADIATION, jour=jour.isoformat())
    assert "AUBIGNE" not in str(refused.value)
    assert _dates(desk)[Nature.RADIATION] == (FIRST, JOUR)


def test_an_export_that_is_redated_moves_undated_mouvements_only(desk: MouvementsDesk) -> None:
    _note(desk, Nature.RADIATION, jour="2026-10-12")
    set_taken_on(desk.engine, 2, date(2026, 11, 20))
    assert _dates(desk)[Nature.RADIATION] == (None, date(2026, 10, 12))
    assert _dates(desk)[Nature.INSCRIPTION] == (FIRST, date(2026, 11, 20))
    set_taken_on(desk.engine, 1, date(2026, 9, 30))
    assert _dates(desk)[Nature.INSCRIPTION] == (date(2026, 9, 30), date(2026, 11, 20)), "the interval is not stored"


@pytest.mark.parametrize(("import_id", "day"), [(2, date(2026, 10, 11)), (1, date(2026, 10, 12))])
def test_a_day_of_an_export_that_contradicts_a_noted_date_is_refused(
    desk: MouvementsDesk, import_id: int, day: date
) -> None:
    _note(desk, Nature.RADIATION, jour="2026-10-12")
    with pytest.raises(ImportRefusedError, match="a une date notée que ce jour contredit"):
        set_taken_on(desk.engine, import_id, day)
