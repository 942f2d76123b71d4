"""LIBREVILLE's electoral calendar: a poll is coming, the commission de contrôle has met, the yearly tableaux are due.

The yearly revision ended in 2018; LIBREVILLE shows its tableaux beside those of today, for the coming year.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from common.calendrier import cloture, days_before, dix_janvier
from worker.demo.libreville import LIBREVILLE
from worker.registre.scrutins import ALL_LISTS, KnownScrutin, Reunion, add_reunion, set_scrutin

_SUNDAY = 6


class DemoCalendrier(NamedTuple):
    """The dates that LIBREVILLE's tableaux are counted from."""

    scrutin: date
    """The coming poll: a Sunday, more than a week away."""
    reunion: date
    """The commission's meeting before it, between the 24th and the 21st day (art. L. 19): mouvements until then are in
    the tableau des vingt jours, later ones in the tableau des cinq jours."""
    reunion_precedente: date
    janvier: date
    """Date of the first tableau rectificatif."""
    fevrier: date
    """Date of the second."""
    scrutin_additions: date
    """The poll of the tableau des additions: in April, so that it has one (art. L. 11-2 before 2019)."""


def demo_calendrier(today: date) -> DemoCalendrier:
    """The dates around a day."""
    scrutin = _sunday_from(today + timedelta(days=8))
    reunion = days_before(scrutin, 23)
    year = today.year if today <= dix_janvier(today.year) else today.year + 1
    return DemoCalendrier(
        scrutin=scrutin,
        reunion=reunion,
        reunion_precedente=reunion - timedelta(days=182),
        janvier=dix_janvier(year),
        fevrier=cloture(year),
        scrutin_additions=_sunday_from(date(year, 4, 15)),
    )


def set_demo_calendrier(connection: Connection, today: date) -> None:
    """Write the polls and the meetings to the register; a second time does nothing."""
    days = demo_calendrier(today)
    for scrutin in _scrutins(days):
        set_scrutin(connection, scrutin)
    for day in (days.reunion_precedente, days.reunion):
        add_reunion(connection, LIBREVILLE.code, Reunion(ALL_LISTS, day))


def _scrutins(days: DemoCalendrier) -> Iterator[KnownScrutin]:
    yield KnownScrutin(LIBREVILLE.code, days.scrutin, "Élection municipale partielle", None)
    yield KnownScrutin(LIBREVILLE.code, days.scrutin_additions, "Élections municipales, 1er tour", days.fevrier)


def _sunday_from(day: date) -> date:
    return day + timedelta(days=(_SUNDAY - day.weekday()) % 7)
