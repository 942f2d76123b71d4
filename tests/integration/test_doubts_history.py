"""Three years of monthly exports: each correction is asked about, hardly anything else, and answers mend the rest."""

from collections import Counter
from datetime import date
from random import Random

import pytest

from schemas.vocabulary import DoubtDecision, Nature
from tests.integration.import_desk import TWO_COMMUNES
from tests.integration.mouvements_desk import MouvementsDesk, open_desk
from tests.unit.reu_history import Town
from worker.registre.comparaison.doubts import decide_doubt, list_doubts
from worker.registre.reu.importer import Intake

pytestmark = [pytest.mark.integration, pytest.mark.database(TWO_COMMUNES), pytest.mark.desk(opened_by=open_desk)]

MOST_PER_100 = 1
"""False doubts, per 100 people who really came or left."""

Places = dict[tuple[str, int], int]


@pytest.mark.slow
def test_three_years_of_exports_ask_about_every_correction_and_hardly_anything_else(desk: MouvementsDesk) -> None:
    town = Town(Random(7), 1200)
    desk.load(town.rows(), intake=Intake(date(2023, 1, 1)))
    kinds, false, real = set[str](), 0, 0
    before = town.who()
    for number, month in enumerate(town.months(), 1):
        after = town.who()
        known = desk.rows("SELECT coalesce(max(id), 0) FROM mouvement")[0][0]
        desk.compare(town.rows(), intake=Intake(date(2023 + number // 12, number % 12 + 1, 1)), accept_changes=True)
        asked = _answer(desk, before, after)
        missed = {it: month.corrected[it] for it in month.corrected if (it, it) not in asked}
        assert set(missed.values()) <= {"lieu"}, f"month {number}: nobody else can be meant"
        assert {left for left, came in asked if left == came} == month.corrected.keys() - missed.keys()
        _check_mouvements(desk, known, before, after)
        kinds |= set(month.corrected.values())
        false += sum(left != came for left, came in asked)
        real += len(month.left) + len(month.arrived)
        before = after
    assert len(kinds) == 11, (
        "name, first names, date and place, of those who stay, of those who move, and place besides"
    )
    assert real > 500
    assert false * 100 <= MOST_PER_100 * real


def _answer(desk: MouvementsDesk, before: Places, after: Places) -> list[tuple[int, int]]:
    """Who each doubt is about, before and after; then say whether it is one person."""
    with desk.engine.begin() as connection:
        found = list_doubts(connection)
        asked = [
            (before[it.radiation.bureau, it.radiation.numero], after[it.inscription.bureau, it.inscription.numero])
            for it in found
        ]
        is_open = {it.id for it in found}
        for it, (left, came) in sorted(zip(found, asked, strict=True), key=lambda pair: pair[1][0] != pair[1][1]):
            if it.id in is_open:
                decision = DoubtDecision.SAME_PERSON if left == came else DoubtDecision.TWO_PERSONS
                is_open -= {it.id, *decide_doubt(connection, it.id, decision, by="test").others}
    return asked


def _check_mouvements(desk: MouvementsDesk, known: int, before: Places, after: Places) -> None:
    """What is left: who really came, who really left, who really changed bureau."""
    was, is_now = ({who: bureau for (bureau, _), who in places.items()} for places in (before, after))
    expected = Counter(
        {
            Nature.INSCRIPTION: len(is_now.keys() - was.keys()),
            Nature.RADIATION: len(was.keys() - is_now.keys()),
            Nature.MODIFICATION: sum(was[who] != is_now[who] for who in was.keys() & is_now.keys()),
        }
    )
    assert Counter(it.nature for it in desk.mouvements() if it.id > known) == +expected
