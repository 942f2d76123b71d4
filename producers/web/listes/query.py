"""What the register of a commune holds: the view `registres`."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Boolean, Date, column, select, table

from producers.state import State, to_instant

_COLUMNS = ("code_commune", "liste", "electeurs", "mineurs", "imported_at", "imported_by")
_VIEW = table(
    "registres",
    *(column(name) for name in _COLUMNS),
    column("taken_on", Date),
    column("is_dated", Boolean),
)


@dataclass(frozen=True)
class Registre:
    """A list as it was last imported; the other values are None when it was written by SQL."""

    liste: str
    electeurs: int | None
    imported_at: datetime | None
    imported_by: str | None = None
    taken_on: date | None = None
    """The day the export was taken from the REU."""
    is_dated: bool = False
    """Whether somebody said that day; else it is that of the import."""
    mineurs: int = 0
    """Those of the electors who were entered in advance: the list file does not hold them yet."""


def read_registres(state: State, commune: str) -> dict[str, Registre]:
    """The lists that the commune has, by code; none while nothing was imported.

    Raises:
        StateAwayError: the database did not answer.
    """
    query = select(_VIEW).where(_VIEW.c.code_commune == commune)
    with state.reading() as connection:
        rows = connection.execute(query).all()
    return {
        row.liste: Registre(
            liste=row.liste,
            electeurs=row.electeurs,
            imported_at=to_instant(row.imported_at),
            imported_by=row.imported_by,
            taken_on=row.taken_on,
            is_dated=bool(row.is_dated),
            mineurs=row.mineurs or 0,
        )
        for row in rows
    }
