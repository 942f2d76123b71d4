"""Purges files older than the retention from the volume. Their rows stay, with their counts and their SHA-256.

A file that was published or deposited less than a year ago is kept: a list, or a tableau and its certificate, may be
contested. The versions of the register that it rests on stay with it (worker/registre/imports/history.py).

A transaction locks a few rows, removes their files and sets `purged_at`: each file is removed once, and no file that
was made again meanwhile. A killed purge leaves rows whose files are gone; the next purge sets their `purged_at`.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import NamedTuple

import structlog
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    and_,
    cast,
    func,
    or_,
    select,
    update,
)

from common.calendrier import PROOF_DAYS, jour_a_paris, now
from schemas.vocabulary import PIECES, Action, ExportStatus
from worker.audit import record_audit
from worker.db.engine import snapshot
from worker.db.types import utc_now
from worker.exports.models import Depot, Export, Publication, Request, piece_name
from worker.exports.records import FILES_SIZE, IS_UNFINISHED
from worker.exports.storage import Storage

_FOUND = 500
"""Rows of one search: with a limit, the index of the ends of files serves it."""

_AT_ONCE = 20
"""Rows of one transaction, which holds its locks while the disk works."""

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
    """The work of a purge now: exports and their bytes, and older ones that it keeps."""

    exports: int
    size: int
    unnotified: int
    """Older exports whose request is not notified yet."""
    proofs: int
    """Older exports that were published or deposited less than a year ago."""


def purge_files(engine: Engine, storage: Storage, *, days: float, actor: str) -> Iterator[Purged]:
    """Remove the files of exports that ended more than `days` ago, a few at a time.

    Files of a request that is not notified yet are kept, and what was published or deposited less than a year ago.
    Between two steps no row is locked.

    Raises:
        TransientError: the volume is absent; no row was marked.
    """
    tried = set[int]()
    while ids := [it for it in _find_old(engine, days) if it not in tried]:
        storage.require_mounted()
        tried.update(ids)
        yield from _remove(engine, storage, ids, _is_old(days), actor)


def remove_files(
    engine: Engine, storage: Storage, export_ids: Iterable[int], *, actor: str
) -> Purged:
    """Remove the files of these exports now, whatever their age; files that came back after a purge too."""
    return total(_remove(engine, storage, export_ids, ~IS_UNFINISHED, actor))


def total(steps: Iterable[Purged]) -> Purged:
    """Return the sum of all steps."""
    return Purged(*map(sum, zip(*steps, strict=True)))


def find_due(engine: Engine, days: float) -> Due:
    """Return the work that `purge_files` would do."""
    is_proof, ready = _is_proof(), Export.status == ExportStatus.READY
    told = and_(Request.notified_at.is_not(None), ~is_proof)
    bytes_due = cast(
        func.coalesce(func.sum(FILES_SIZE).filter(told), 0), BigInteger
    )  # PostgreSQL's sum is a decimal
    waiting = and_(Request.notified_at.is_(None), ~is_proof)
    counts = (
        func.count().filter(told),
        bytes_due,
        func.count().filter(waiting),
        func.count().filter(is_proof),
    )
    old = select(*counts).select_from(Export).join(Request, Request.id == Export.request_id)
    with snapshot(engine) as connection:
        return Due(*connection.execute(old.where(_has_ended(days), ready)).one())


def _find_old(engine: Engine, days: float) -> Sequence[int]:
    due = select(Export.id).join(Request).where(_is_old(days), Request.notified_at.is_not(None))
    with snapshot(engine) as connection:
        return connection.scalars(due.order_by(Export.finished_at).limit(_FOUND)).all()


def _is_old(days: float) -> ColumnElement[bool]:
    return and_(_has_ended(days), ~_is_proof())


def _is_proof() -> ColumnElement[bool]:
    since = jour_a_paris(now()) - timedelta(days=PROOF_DAYS)
    # These columns and no others: the notifier may not read who published, nor what the platform replied.
    published = select(Publication.export_id).where(Publication.published_on >= since)
    deposited = select(Depot.export_id).where(Depot.deposited_on >= since)
    return or_(Export.id.in_(published), Export.id.in_(deposited))


def _has_ended(days: float) -> ColumnElement[bool]:
    seconds = min(days, _CENTURY_DAYS) * _DAY_SECONDS
    return and_(Export.finished_at < utc_now(-seconds), ~IS_UNFINISHED, Export.purged_at.is_(None))


def _remove(
    engine: Engine,
    storage: Storage,
    export_ids: Iterable[int],
    condition: ColumnElement[bool],
    actor: str,
) -> Iterator[Purged]:
    columns = Export.id, Export.code_commune, Export.file_name, Export.status
    rest = iter(export_ids)
    while some := list(islice(rest, _AT_ONCE)):
        rows = (
            select(*columns).where(Export.id.in_(some), condition).with_for_update(skip_locked=True)
        )
        with engine.begin() as connection:
            found: Sequence[RowMapping] = connection.execute(rows).mappings().all()
            steps = [_remove_one(connection, storage, row, actor) for row in found]
        yield total(steps)


def _remove_one(connection: Connection, storage: Storage, row: RowMapping, actor: str) -> Purged:
    try:
        # After a failed attempt, a piece may be on the disk without a row.
        names = [piece_name(row["file_name"], piece) for piece in PIECES]
        sizes = storage.remove(row["code_commune"], [row["file_name"], *names])
    except OSError as error:
        log.warning("file_not_purged", export_id=row["id"], error=type(error).__name__)
        return Purged(failures=1)
    purged_at = func.coalesce(Export.purged_at, utc_now())
    connection.execute(update(Export).where(Export.id == row["id"]).values(purged_at=purged_at))
    connection.execute(
        update(Depot).where(Depot.export_id == row["id"]).values(answer="")
    )  # it may name electors
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
