"""Requests of a commune and their state: the view `demandes`, with the files of `derniers_exports`."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, column, false, select, table

from producers.state import State, newest_first, to_record
from producers.web.exports.query import DERNIERS_EXPORTS, LATEST, AskedFile, read_files, select_latest
from schemas.topology import (
    REQUEST_CANCEL,
    REQUEST_LISTE_EXPORT,
    REQUEST_RETRY,
    REQUEST_TABLEAUX_RENDER,
)
from schemas.vocabulary import UNFINISHED, ExportStatus, RequestOutcome

RECENT_FILES, RECENT_REQUESTS = 100, 200
"""Number of rows read: a request has about fifty files at most, and each download is a request too."""

_MOST_WAITING = 1000
_WITH_REFUSALS = (
    *(REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER, REQUEST_RETRY, REQUEST_CANCEL),
    *("deposited", "verdict", "published", "doubt"),
)
"""Types of requests and kinds of notes whose refusal is shown to clerks."""


@dataclass(frozen=True)
class DemandeState:
    """One request, with its files in the order of the request."""

    request_id: int
    source: str
    event_id: str
    event_type: str
    kind: str
    code_commune: str
    requested_by: str
    requested_at: datetime
    outcome: RequestOutcome
    reason: str
    files: tuple[AskedFile, ...] = ()

    @property
    def is_refused(self) -> bool:
        return self.outcome is RequestOutcome.REFUSED


_DEMANDES = table("demandes", *(column(field.name) for field in fields(DemandeState) if field.name != "files"))
_REQUESTS = select(_DEMANDES)


@dataclass(frozen=True)
class RecentActivity:
    """The recent activity in a commune, as read from the database."""

    demandes: tuple[DemandeState, ...] = ()
    """Newest first: requests with files among the last ones, and refused requests."""
    latest: tuple[AskedFile, ...] = ()
    """« Derniers exports »."""
    newest_request: int = 0
    waiting: tuple[int, ...] = ()
    """Unfinished files of all communes, except those of batches."""


def read_recent(state: State, commune: str) -> RecentActivity:
    """Return the content of « Vos demandes » and « Derniers exports »."""
    with state.reading() as connection:
        files = read_files(connection, _recent(connection, select(DERNIERS_EXPORTS), commune))
        ids = {file.request_id for file in files}
        requests = connection.execute(_newest(connection, _REQUESTS, commune).limit(RECENT_REQUESTS)).all()
        taken = [row for row in requests if row.outcome != RequestOutcome.REFUSED]
        latest_taken = {row.kind or row.event_type: row.request_id for row in reversed(taken)}
        refused = [
            row
            for row in requests
            if row.outcome == RequestOutcome.REFUSED
            and (what := row.kind or row.event_type) in _WITH_REFUSALS
            and row.request_id > latest_taken.get(what, 0)  # otherwise a later one was accepted
        ]
        asked = connection.execute(_REQUESTS.where(_DEMANDES.c.request_id.in_(ids))).all() if ids else ()
        waits = any(file.status is ExportStatus.QUEUED for file in files)
        waiting = tuple(_read_waiting(connection)) if waits else ()
        made = [file for file in files if file.is_ready][:LATEST]
        newest = requests[0].request_id if requests else 0
        return RecentActivity(
            demandes=tuple(sorted(_join((*refused, *asked), files), key=lambda it: -it.request_id)),
            latest=tuple(made if len(made) == LATEST else select_latest(connection, commune, LATEST)),
            newest_request=newest,
            waiting=waiting,
        )


def read_request(state: State, commune: str, request_id: int) -> DemandeState | None:
    """Return the request with all its files, if it belongs to this commune."""
    query = _REQUESTS.where(_DEMANDES.c.code_commune == commune, _DEMANDES.c.request_id == request_id)
    with state.reading() as connection:
        found = read_files(connection, select(DERNIERS_EXPORTS).where(DERNIERS_EXPORTS.c.request_id == request_id))
        files = [file for file in found if file.code_commune == commune]  # not in SQL: SQLite would read them all
        return next(iter(_join(connection.execute(query).all(), files)), None)


def read_newest_request(state: State, commune: str) -> int:
    """Return the number of the commune's last request; 0 if there is none."""
    with state.reading() as connection:
        return _newest_request(connection, commune) or 0


def find_commune(state: State, request_id: int) -> str:
    """Return the commune of a request; empty if there is none."""
    query = select(_DEMANDES.c.code_commune).where(_DEMANDES.c.request_id == request_id)
    return next((row.code_commune for row in state.read(query)), "")


def find_requests(state: State, source: str, event_ids: Collection[str]) -> dict[str, DemandeState]:
    """Return the requests of these events that a worker has read, by id, without files."""
    if not event_ids:
        return {}
    query = _REQUESTS.where(_DEMANDES.c.source == source, _DEMANDES.c.event_id.in_(event_ids))
    query = query.order_by(_DEMANDES.c.outcome.desc())  # accepted last: another account's event was refused
    return {it.event_id: it for it in _join(state.read(query), ())}


def _recent(connection: Connection, query: Select[Any], commune: str) -> Select[Any]:
    view = DERNIERS_EXPORTS.c
    return newest_first(connection, query, view.code_commune, view.export_id, commune).limit(RECENT_FILES)


def _newest(connection: Connection, query: Select[Any], commune: str) -> Select[Any]:
    return newest_first(connection, query, _DEMANDES.c.code_commune, _DEMANDES.c.request_id, commune)


def _newest_request(connection: Connection, commune: str) -> int | None:
    return connection.execute(_newest(connection, select(_DEMANDES.c.request_id), commune).limit(1)).scalar()


def _read_waiting(connection: Connection) -> Sequence[int]:
    query = select(DERNIERS_EXPORTS.c.export_id).where(
        DERNIERS_EXPORTS.c.status.in_(UNFINISHED), DERNIERS_EXPORTS.c.is_bulk.is_(false())
    )
    return connection.execute(query.order_by(DERNIERS_EXPORTS.c.export_id).limit(_MOST_WAITING)).scalars().all()


def _join(requests: Iterable[Row[Any]], files: Iterable[AskedFile]) -> list[DemandeState]:
    ordered = sorted(files, key=lambda file: file.export_id)
    return [
        to_record(DemandeState, row, files=tuple(file for file in ordered if file.request_id == row.request_id))
        for row in requests
    ]
