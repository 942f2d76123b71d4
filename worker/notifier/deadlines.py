"""What the calendar asks of a commune, and how many days before it is reminded of it. Pure: days in, days out."""

from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import NamedTuple

from common.calendrier import Regime, commission_between, meeting_before, regime_on, tableaux_of_scrutin

COMMISSION = "commission"
"""Beside the types of tableaux: the meeting of the commission de contrôle. Code électoral, art. L. 19, III."""


class Deadline(NamedTuple):
    """Something to do by a day; a meeting may be held until another one."""

    echeance: str
    due_on: date
    until: date
    scrutin: date
    libelle: str


def find_deadlines(scrutin: date, libelle: str, reunions: Collection[date]) -> Iterator[Deadline]:
    """What a poll asks for, `reunions` being the days on which the commission meets.

    A meeting within the days of the law moves the first tableau to the day after it, and needs no reminder any more.
    """
    reunion = None
    if regime_on(scrutin) is Regime.REPERTOIRE_UNIQUE:
        reunion = meeting_before(scrutin, reunions)
        if reunion is None:
            first, last = commission_between(scrutin)
            yield Deadline(COMMISSION, first, last, scrutin, libelle)
    for one in tableaux_of_scrutin(scrutin, reunion):
        yield Deadline(one.type, one.due_on, one.due_on, scrutin, libelle)


def stage(deadline: Deadline, today: date, days: Iterable[int]) -> int | None:
    """Which of the reminders is to be made today; None when it is too early, or too late.

    Of two that could be, the last one only: who learns of a poll three days before is not reminded twice.
    """
    left = (deadline.due_on - today).days
    if today > deadline.until:
        return None
    return min((number for number in days if left <= number), default=None)
