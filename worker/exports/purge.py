"""Purges files older than the retention from the volume. Their rows stay, with their counts and their SHA-256.

A row is marked before its files are removed, so that the screen never offers a file that is gone. The mark is
`purged_at`, with `is_being_purged` until the files are gone: by it, a later purge finds what a killed one left. Files
are removed while the row is locked: each is removed once, and no file that was made again meanwhile.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import structlog
from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, RowMapping, and_, cast, func, select, update

from schemas.vocabulary import PIECES, ExportStatus
from worker.audit import Action, record_audit
from worker.db.engine import snapshot
from worker.db.types import utc_now
from worker.exports.models import Depot, Export, Request
from worker.exports.naming import piece_name
from worker.exports.records import (
    ABANDONED_SECONDS,
    FILES_SIZE,
    IS_ABANDONED,
    IS_UNFINISHED,
    begin_purge,
    begin_purge_again,
    begin_purge_now,
    is_old,
    mark_purged,
)
from worker.exports.storage import Storage

_IS_BEING_PURGED = and_(Export.is_being_purged, ~IS_UNFINISHED)
_MARKED, _REMOVED = 500, 20
"""Rows of one transaction that marks, and of one that removes: the latter holds its locks while the disk works."""

_LOOKED_AT_SECONDS = 48 * 3600
"""A purge checks ended rows for two days. If no notifier ran, `verify` reports the file."""

_DAY_SECONDS, _CENTURY_DAYS = 24 * 3600, 36_525

log = structlog.stdlib.get_logger(__name__)


class Purged(NamedTuple):
    """The result: exports whose files are gone, files and bytes removed, exports whose files were gone before."""

    exports: int = 0
    files: int = 0
    size: int = 0
    missing: int = 0
    failures: int = 0
    """Exports with a file that the system refuses to remove; the next purge tries again."""


class Due(NamedTuple):
    """The work of a purge now: exports and their bytes, and older ones whose request is not notified yet."""

    exports: int
    size: int
    unnotified: int
    interrupted: int
    """Exports that an interrupted purge has marked and whose files remain."""


def purge_files(engine: Engine, storage: Storage, *, days: float, actor: str) -> Iterator[Purged]:
    """Remove the files of exports that ended more than `days` ago, a few at a time; first those of a killed purge.

    Files of a request that is not notified yet are kept. Between two steps no row is locked.

    Raises:
        TransientError: the volume is absent; no row was marked.
    """
    with snapshot(engine) as connection:
        marked = connection.scalars(select(Export.id).where(_IS_BEING_PURGED).order_by(Export.id)).all()
    if marked:
        storage.require_mounted()
    while marked or (marked := _mark(engine, storage, days)):
        for ids in _slices(marked):
            yield _remove(engine, storage, ids, actor)
        marked = ()


def remove_abandoned(engine: Engine, storage: Storage, *, actor: str) -> Iterator[Purged]:
    """Remove files whose row failed or was cancelled an hour ago or more, a few at a time.

    Such a file remains when its worker lost the database between the rename and the record, and no retry made the file.
    Rows that ended more than two days ago are skipped: an earlier call has checked them.

    Raises:
        TransientError: the volume is absent.
    """
    ended = Export.finished_at.between(utc_now(-_LOOKED_AT_SECONDS), utc_now(-ABANDONED_SECONDS))
    with snapshot(engine) as connection:
        ids = connection.scalars(select(Export.id).where(IS_ABANDONED, ended).order_by(Export.id)).all()
    if ids:
        storage.require_mounted()
    for some in _slices(ids):
        yield _remove(engine, storage, some, actor, IS_ABANDONED)


def remove_files(engine: Engine, storage: Storage, export_ids: Iterable[int], *, actor: str) -> Purged:
    """Remove the files of these exports now, whatever their age.

    Raises:
        OSError: the system refuses to remove one of them.
    """
    done = []
    for ids in _slices(list(export_ids)):
        with engine.begin() as connection:
            begin_purge_now(connection, ids)
        done.append(_remove(engine, storage, ids, actor))
    removed = total(done) if done else Purged()
    if removed.failures:
        raise OSError(f"{removed.failures} exports whose files stay")
    return removed


def total(steps: Iterable[Purged]) -> Purged:
    """Return the sum of all steps."""
    return Purged(*map(sum, zip(*steps, strict=True)))


def find_due(engine: Engine, days: float) -> Due:
    """Return the work that `purge_files` would do."""
    told, ready = Request.notified_at.is_not(None), Export.status == ExportStatus.READY
    bytes_due = cast(func.coalesce(func.sum(FILES_SIZE).filter(told), 0), BigInteger)  # PostgreSQL's sum is a decimal
    counts = func.count().filter(told), bytes_due, func.count().filter(~told)
    old = select(*counts).select_from(Export).join(Request, Request.id == Export.request_id)
    with snapshot(engine) as connection:
        row = connection.execute(old.where(is_old(_seconds(days)), ready)).one()
        interrupted = connection.execute(select(func.count()).where(_IS_BEING_PURGED)).scalar_one()
    return Due(*row, interrupted)


def mark_again(engine: Engine, export_ids: Sequence[int]) -> None:
    """Mark purged rows whose files reappeared with a restored volume, so that the next purge removes them."""
    with engine.begin() as connection:
        begin_purge_again(connection, export_ids)


def _seconds(days: float) -> float:
    return min(days, _CENTURY_DAYS) * _DAY_SECONDS


def _mark(engine: Engine, storage: Storage, days: float) -> Sequence[int]:
    with engine.begin() as connection:
        ids = begin_purge(connection, _seconds(days), _MARKED)
        if ids:
            storage.require_mounted()
        return ids


def _remove(
    engine: Engine,
    storage: Storage,
    ids: Sequence[int],
    actor: str,
    condition: ColumnElement[bool] = _IS_BEING_PURGED,
) -> Purged:
    columns = Export.id, Export.code_commune, Export.file_name, Export.status
    rows = select(*columns).where(Export.id.in_(ids), condition).with_for_update(skip_locked=True)
    with engine.begin() as connection:
        steps = [_remove_one(connection, storage, row, actor) for row in connection.execute(rows).mappings().all()]
    return total(steps)


def _remove_one(connection: Connection, storage: Storage, row: RowMapping, actor: str) -> Purged:
    try:
        # After a failed attempt, a piece may be on the disk without a row.
        names = [piece_name(row["file_name"], piece) for piece in PIECES]
        sizes = storage.remove(row["code_commune"], [row["file_name"], *names])
    except OSError as error:
        log.warning("file_not_purged", export_id=row["id"], error=type(error).__name__)
        return Purged(failures=1)
    mark_purged(connection, row["id"])
    connection.execute(update(Depot).where(Depot.export_id == row["id"]).values(answer=""))  # it may name electors
    if row["status"] != ExportStatus.READY and not sizes:
        return Purged()
    record_audit(
        connection,
        Action.FILE_PURGED,
        actor=actor,
        code_commune=row["code_commune"],
        export_id=row["id"],
        detail=row["file_name"] if sizes else f"{row['file_name']} : déjà absent",
    )
    return Purged(1, len(sizes), sum(sizes), int(not sizes))


def _slices(ids: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while part := list(islice(rest, _REMOVED)):
        yield part
