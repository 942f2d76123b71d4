"""All the files of a commune, a page at a time, by what a clerk remembers of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_

from common.clock import PARIS
from producers.state import State
from producers.web.reading.exports import VIEW, AskedFile, of_commune, read_files
from schemas.vocabulary import ExportKind, ExportStatus, Liste

PAGE = 25

_READY = VIEW.c.status == ExportStatus.READY
_KEPT = and_(_READY, VIEW.c.purged_at.is_(None))
ETATS: Mapping[str, tuple[str, ColumnElement[bool]]] = {
    "pret": ("Prêt, sans anomalie bloquante", and_(_KEPT, VIEW.c.bloquantes == 0)),
    "a-corriger": ("À corriger (anomalies bloquantes)", and_(_KEPT, VIEW.c.bloquantes > 0)),
    "depose": ("Déposé", VIEW.c.deposited_on.is_not(None)),
    "en-cours": ("En attente ou en cours", VIEW.c.status.in_((ExportStatus.QUEUED, ExportStatus.RUNNING))),
    "en-echec": ("En échec", VIEW.c.status == ExportStatus.FAILED),
    "annule": ("Annulé", VIEW.c.status == ExportStatus.CANCELLED),
    "efface": ("Effacé", and_(_READY, VIEW.c.purged_at.is_not(None))),
}
"""The states that one can look for: the name in the address, what the clerk reads, the condition."""


@dataclass(frozen=True)
class Filters:
    """What is looked for; empty is everything. Days are Paris's, both included."""

    kind: ExportKind | None = None
    liste: Liste | None = None
    etat: str = ""
    since: date | None = None
    until: date | None = None

    def conditions(self, connection: Connection) -> list[ColumnElement[bool]]:
        """For the view, as the database of this connection writes instants."""
        found: list[ColumnElement[bool]] = []
        if self.kind:
            found.append(VIEW.c.kind == self.kind)
        if self.liste:
            found.append(VIEW.c.liste == self.liste)
        if self.etat:
            found.append(ETATS[self.etat][1])
        if self.since:
            found.append(VIEW.c.requested_at >= to_database(connection, _midnight(self.since)))
        if self.until:
            found.append(VIEW.c.requested_at < to_database(connection, _midnight(self.until + timedelta(days=1))))
        return found


@dataclass(frozen=True)
class Page:
    """Some files, the newest first, and the cursors of the pages around; None where there is none."""

    files: tuple[AskedFile, ...]
    newer: int | None = None
    older: int | None = None


def read_page(
    state: State, commune: str, filters: Filters, *, before: int | None = None, after: int | None = None
) -> Page:
    """The newest files that match; those older than the file `before`, or those just newer than the file `after`.

    Raises:
        StateAwayError: the database did not answer.
    """
    number = VIEW.c.export_id
    with state.reading() as connection:
        query = of_commune(commune).where(*filters.conditions(connection)).limit(PAGE + 1)
        if after is not None:
            found = read_files(connection, query.where(number > after).order_by(number))
            if len(found) > PAGE:
                return _page(found[:PAGE][::-1], has_newer=True, has_older=True)
        elif before is not None:
            query = query.where(number < before)
        files = read_files(connection, query.order_by(number.desc()))
    return _page(files[:PAGE], has_newer=before is not None, has_older=len(files) > PAGE)


def to_database(connection: Connection, instant: datetime) -> Any:  # noqa: ANN401 — a datetime, or SQLite's text
    """An instant in UTC, as the views of this database hold it."""
    if connection.dialect.name == "sqlite":
        return f"{instant:%Y-%m-%d %H:%M:%S}.{instant.microsecond // 1000:03}"
    return instant


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), PARIS).astimezone(UTC)


def _page(files: list[AskedFile], *, has_newer: bool, has_older: bool) -> Page:
    if not files:
        return Page(())
    newer = files[0].export_id if has_newer else None
    return Page(tuple(files), newer, files[-1].export_id if has_older else None)
