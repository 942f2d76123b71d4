"""The polls and the meetings that the register knows: the views `scrutins` and `reunions`."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import column, select, table

from producers.state import State
from producers.web.reading.values import to_day

_SCRUTINS = table("scrutins", *(column(name) for name in ("code_commune", "jour", "libelle", "cloture")))
_REUNIONS = table("reunions", *(column(name) for name in ("code_commune", "liste", "jour")))
_NATIONAL = ""


@dataclass(frozen=True)
class Scrutin:
    """A poll; `cloture` is the last day to register when it is not the usual one."""

    jour: date
    libelle: str
    cloture: date | None


@dataclass(frozen=True)
class Reunion:
    """A meeting of the commission de contrôle; an empty `liste` means that it was about all of them."""

    jour: date
    liste: str


def read_scrutins(state: State, commune: str) -> list[Scrutin]:
    """The commune's polls and the national ones, each day once, in order; the commune's own words win.

    Raises:
        StateAwayError: the database did not answer.
    """
    view = _SCRUTINS.c
    query = select(view.jour, view.libelle, view.cloture).where(view.code_commune.in_((_NATIONAL, commune)))
    with state.reading() as connection:
        rows = connection.execute(query.order_by(view.jour, view.code_commune)).all()
    found = [Scrutin(_day(row.jour), row.libelle, to_day(row.cloture)) for row in rows]
    return list({scrutin.jour: scrutin for scrutin in found}.values())


def read_reunions(state: State, commune: str) -> list[Reunion]:
    """The meetings, the last one first.

    Raises:
        StateAwayError: the database did not answer.
    """
    view = _REUNIONS.c
    query = select(view.jour, view.liste).where(view.code_commune == commune)
    with state.reading() as connection:
        rows = connection.execute(query.order_by(view.jour.desc(), view.liste)).all()
    return [Reunion(_day(row.jour), row.liste) for row in rows]


def _day(value: Any) -> date:  # noqa: ANN401 — see to_day
    day = to_day(value)
    if day is None:
        raise AssertionError(value)
    return day
