"""What the register of a commune holds: the view `registres`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import column, select, table

from producers.state import State, to_instant
from producers.web.exports.query import AskedFile

_COLUMNS = ("code_commune", "liste", "electeurs", "imported_at", "imported_by")
_VIEW = table("registres", *(column(name) for name in _COLUMNS))


@dataclass(frozen=True)
class Registre:
    """A list as it was last imported; the other values are None when it was written by SQL."""

    liste: str
    electeurs: int | None
    imported_at: datetime | None
    imported_by: str | None = None


def read_registres(state: State, commune: str) -> dict[str, Registre]:
    """The lists that the commune has, by code; none while nothing was imported.

    Raises:
        StateAwayError: the database did not answer.
    """
    columns = _VIEW.c.liste, _VIEW.c.electeurs, _VIEW.c.imported_at, _VIEW.c.imported_by
    query = select(*columns).where(_VIEW.c.code_commune == commune)
    with state.reading() as connection:
        rows = connection.execute(query).all()
    return {row.liste: Registre(row.liste, row.electeurs, to_instant(row.imported_at), row.imported_by) for row in rows}


def is_outdated(file: AskedFile, registres: Mapping[str, Registre]) -> bool:
    """Whether its list was imported again after it was asked for."""
    registre = registres.get(file.liste)
    return bool(registre and registre.imported_at and registre.imported_at > file.requested_at)
