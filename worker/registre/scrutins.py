"""The polls of a commune, and the meetings of its commission de contrôle, as the operator declares them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select

from common.calendrier import CalendarReunion, CalendarScrutin, counted_back, is_poll_day, polls_of
from common.french import short_date
from schemas.vocabulary import Liste
from worker.domain.tableau.demande import Calendrier
from worker.errors import RefusedError
from worker.registre.communes import check_commune
from worker.registre.models import Commission, Scrutin

NATIONAL = ""
"""Replaces the code of a commune: the poll is held in the whole country."""
ALL_LISTS = ""
"""Replaces the code of a list: the commission met about all of them."""
MOST = {Scrutin: (100, "scrutins"), Commission: (500, "réunions")}
"""Maximum of a commune, and its unit: a tableau compares all meetings with all polls."""


def _columns(
    model: type[Scrutin | Commission], kind: type[CalendarScrutin | CalendarReunion]
) -> list[Any]:
    return [getattr(model, "date" if it.name == "jour" else it.name) for it in fields(kind)]


def _values(noted: CalendarScrutin | CalendarReunion) -> dict[str, Any]:
    return {"date" if name == "jour" else name: value for name, value in asdict(noted).items()}


def select_scrutins(connection: Connection, code_commune: str = NATIONAL) -> list[CalendarScrutin]:
    """Return the national polls and those of the commune, ordered by date."""
    query = select(*_columns(Scrutin, CalendarScrutin)).where(
        Scrutin.code_commune.in_({NATIONAL, code_commune})
    )
    return [
        CalendarScrutin(*row)
        for row in connection.execute(query.order_by(Scrutin.date, Scrutin.code_commune))
    ]


def set_scrutin(connection: Connection, scrutin: CalendarScrutin) -> None:
    """Add a poll, or replace it.

    Raises:
        RefusedError: the commune is unknown or has too many polls, no poll can be on that day, another day is not
            before it, the days of the meeting cannot be, or unusual days are given without the text that fixes them.
    """
    if scrutin.code_commune:
        check_commune(connection, scrutin.code_commune)
    if not is_poll_day(scrutin.jour, scrutin.code_commune):
        raise RefusedError(
            f"on ne vote pas le {short_date(scrutin.jour)} : ce n'est pas un dimanche"
        )
    days = (
        scrutin.cloture,
        scrutin.reunion_first,
        scrutin.reunion_last,
        scrutin.publication_due,
        scrutin.cinq_jours_due,
    )
    if any(day and day >= scrutin.jour for day in days):
        raise RefusedError(
            "la clôture, la réunion et la publication des tableaux précèdent le scrutin"
        )
    if scrutin.window_fault:
        raise RefusedError(scrutin.window_fault)
    if not scrutin.texte and (any(days) or not scrutin.has_commission):
        raise RefusedError(
            "des jours inhabituels demandent le texte qui les fixe : « décret n° … du … »"
        )
    is_it = (Scrutin.code_commune == scrutin.code_commune) & (Scrutin.date == scrutin.jour)
    connection.execute(delete(Scrutin).where(is_it))
    connection.execute(insert(Scrutin).values(_values(scrutin)))
    _refuse_too_many(connection, Scrutin, scrutin.code_commune)


def _refuse_too_many(
    connection: Connection, model: type[Scrutin | Commission], code_commune: str
) -> None:
    most, what = MOST[model]
    query = select(func.count(model.date)).where(model.code_commune == code_commune)
    if connection.execute(query).scalar_one() > most:
        raise RefusedError(
            f"la commune a déjà {most} {what} : retirez une date ancienne", code="calendrier_plein"
        )


def remove_scrutin(connection: Connection, code_commune: str, day: dt.date) -> None:
    """Delete a poll.

    Raises:
        RefusedError: there is none on that day.
    """
    is_it = (Scrutin.code_commune == code_commune) & (Scrutin.date == day)
    if not connection.execute(delete(Scrutin).where(is_it)).rowcount:
        raise RefusedError(f"aucun scrutin le {short_date(day)}")


def select_reunions(
    connection: Connection, code_commune: str, liste: Liste | None = None
) -> list[CalendarReunion]:
    """Return the meetings of the commission, ordered by date; with a list, only the meetings about it."""
    query = select(*_columns(Commission, CalendarReunion)).where(
        Commission.code_commune == code_commune
    )
    if liste:
        query = query.where(Commission.liste.in_([ALL_LISTS, liste.value]))
    return [
        CalendarReunion(*row)
        for row in connection.execute(query.order_by(Commission.date, Commission.liste))
    ]


def read_calendrier(
    connection: Connection, code_commune: str, liste: Liste, secteur: int = 0
) -> Calendrier:
    """Return the polls and meetings that the tableaux of a list are counted from.

    The commission of a secteur is another one than that whose meetings are noted: its tableau has none of them.
    """
    scrutins = polls_of(code_commune, select_scrutins(connection, code_commune))
    # Of each poll: the first and the last day of its meeting, and the last day to publish.
    polls = [
        (*it.window, it.publication_due or counted_back("vingt_jours", it.jour)) for it in scrutins
    ]
    held = () if secteur else select_reunions(connection, code_commune, liste)
    reunions = {_stopped_on(reunion, polls) for reunion in held}
    return Calendrier({it.jour: it for it in scrutins}, tuple(sorted(reunions)))


def _stopped_on(
    reunion: CalendarReunion, polls: Sequence[tuple[dt.date, dt.date, dt.date]]
) -> dt.date:
    """Return the last day of the tableau after a meeting: without a deliberation before a poll, that of publication."""
    if reunion.has_deliberated:
        return reunion.jour
    return max(
        (due for first, last, due in polls if first <= reunion.jour <= last), default=reunion.jour
    )


def add_reunion(connection: Connection, code_commune: str, reunion: CalendarReunion) -> None:
    """Record a meeting; a second call replaces whether it deliberated.

    Raises:
        RefusedError: the commune is unknown, or has too many meetings.
    """
    check_commune(connection, code_commune)
    connection.execute(delete(Commission).where(_is_reunion(code_commune, reunion)))
    connection.execute(insert(Commission).values(code_commune=code_commune, **_values(reunion)))
    _refuse_too_many(connection, Commission, code_commune)


def remove_reunion(connection: Connection, code_commune: str, reunion: CalendarReunion) -> None:
    """Delete a meeting.

    Raises:
        RefusedError: there was none on that day.
    """
    if not connection.execute(
        delete(Commission).where(_is_reunion(code_commune, reunion))
    ).rowcount:
        raise RefusedError(f"aucune réunion le {short_date(reunion.jour)}")


def _is_reunion(code_commune: str, reunion: CalendarReunion) -> ColumnElement[bool]:
    known = Commission
    return and_(
        known.code_commune == code_commune, known.date == reunion.jour, known.liste == reunion.liste
    )
