"""The record of a file: the states of its row, and every change from one to another, each by one statement here.

    from       by                                          to
    (nothing)  add_exports                                 QUEUED
    QUEUED     claim                                       RUNNING
    RUNNING    mark_ready                                  READY
    RUNNING    mark_failed                                 FAILED
    RUNNING    release: something is away or full          QUEUED, not before some time
    RUNNING    claim, once its lease has run out           RUNNING, of another owner
    both       claim, of a row that killed its workers     FAILED
    RUNNING    restart: what it reads was taken back       QUEUED
    both       cancel                                      CANCELLED
    both       resume, at the start of the embedded mode   QUEUED

The transaction that finishes the last file of a request also sets `completed_at` of the request, and adds the works of
its events and messages.

Only the owner of a live row may end it or give it back: a worker that was frozen and wakes up finds the row in other
hands, and publishes nothing. What happens to the file afterwards (downloaded, verified, purged, recalled, its event
published) is written on the row, and changes no state.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from common.calendrier import civil_day
from schemas.vocabulary import UNFINISHED, ExportStatus, Piece
from worker.db.engine import notify_ready
from worker.db.types import utc_now
from worker.doorbell import Doorbell
from worker.error_policy import until_next_try
from worker.errors import DatabaseAwayError, LeaseLostError, PrefectureError
from worker.exports.lease import Lease
from worker.exports.models import Export, ExportPiece, Request
from worker.exports.naming import Naming, allocate_names
from worker.exports.storage import Made, PendingFile, StoredFile, publish
from worker.work.models import About, WorkKind, subject_of
from worker.work.queue import NewWork, add

FEW = 5_000
"""A file of so many electors is made before anybody could see how far it is."""

CANCELLED_CODE = "annule"
GIVEN_UP_CODE = "arrets_repetes"

LEASE = Lease(Export.owner, Export.lease_until)

IS_UNFINISHED = Export.status.in_(UNFINISHED)

log = structlog.get_logger()


def is_workable() -> ColumnElement[bool]:
    """Whether somebody could work on the row now: it waits and its time has come, or its owner died."""
    waits = and_(Export.status == ExportStatus.QUEUED, or_(Export.not_before.is_(None), Export.not_before <= utc_now()))
    return or_(waits, and_(Export.status == ExportStatus.RUNNING, LEASE.is_expired()))


def is_owned(export_id: int, owner: str) -> ColumnElement[bool]:
    """The row, while `owner` still holds it: the fence of every write."""
    return and_(Export.id == export_id, LEASE.is_held_by(owner), Export.status == ExportStatus.RUNNING)


# A row comes, and waits.


PROVISOIRE = "{}, provisoire"
"""The label of a tableau whose date is to come."""


@dataclass(frozen=True)
class PlannedFile:
    """One row to be: which file of the request, how it is called, its columns."""

    part: str
    naming: Naming
    columns: dict[str, Any] = field(default_factory=dict)
    final_on: date | None = None
    """The civil day on which a tableau is final: asked for earlier, the file is provisional, and stays so."""


def add_exports(session: Session, request: Request, files: Sequence[PlannedFile]) -> list[Export]:
    """Add the rows of the files of a new request, each with a name that no other file has.

    Their doorbells count as enqueued.
    """
    session.flush()
    now, exports = request.created_at, list[Export]()
    names = allocate_names(session, [file.naming for file in files], now)
    for file, (name, label) in zip(files, names, strict=True):
        is_provisoire = file.final_on is not None and civil_day(now, request.code_commune) < file.final_on
        export = Export(
            request_id=request.id,
            part=file.part,
            code_commune=request.code_commune,
            file_name=name,
            label=PROVISOIRE.format(label) if is_provisoire else label,
            provisoire_until=file.final_on if is_provisoire else None,
            rung_at=now,
            turn=request.turn,
            **file.columns,
        )
        exports.append(export)
    session.add_all(exports)
    session.flush()
    return exports


# Its doorbell.


def take_back_exports(engine: Engine, doorbells: Iterable[Doorbell]) -> None:
    """Take back that these were handed to the broker, since it was away: the next sweep hands them over."""
    rows = Export.id.in_([doorbell.row_id for doorbell in doorbells])
    with engine.begin() as connection:
        connection.execute(update(Export).where(rows).values(rung_at=None))


def count_waiting(connection: Connection, grace_seconds: float) -> dict[tuple[str, bool], int]:
    """How many rows wait for an answer to their doorbell, of each queue where one has been silent for the grace."""
    query = (
        select(Export.kind, Export.is_bulk, func.count())
        .where(is_workable(), not_(_lacks_doorbell()))
        .group_by(Export.kind, Export.is_bulk)
        .having(func.min(Export.rung_at) <= utc_now(-grace_seconds))
    )
    return {(kind, is_bulk): rows for kind, is_bulk, rows in connection.execute(query)}


def mark_exports(
    connection: Connection, lost: Mapping[tuple[str, bool], int], *, grace_seconds: float, limit: int
) -> list[Doorbell]:
    """Take the rows whose doorbell never left, and of each queue as many of the longest silent as it has lost.

    At most `limit` of each. They are marked before the broker is handed anything, so that no other sweep takes them.
    """
    silent = Export.rung_at <= utc_now(-grace_seconds)
    groups = [(_lacks_doorbell(), limit)]
    for (kind, is_bulk), number in lost.items():
        groups.append((and_(Export.kind == kind, Export.is_bulk == is_bulk, silent), min(number, limit)))
    doorbells: set[Doorbell] = set()
    for rows, number in groups:
        forgotten = (
            select(Export.id)
            .where(is_workable(), rows)
            .order_by(Export.rung_at.nulls_first(), Export.id)
            .limit(number)
            .with_for_update(skip_locked=True)
            .cte("forgotten")
        )
        marked = connection.execute(
            update(Export)
            .where(Export.id.in_(select(forgotten.c.id)))
            .values(rung_at=utc_now())
            .returning(Export.id, Export.kind, Export.is_bulk)
        )
        doorbells.update(Doorbell(*row) for row in marked)
    return sorted(doorbells)


def _lacks_doorbell() -> ColumnElement[bool]:
    """It was never handed over, or not since the row may be worked on again."""
    return or_(
        Export.rung_at.is_(None),
        func.coalesce(Export.rung_at < Export.not_before, False),
        func.coalesce(Export.rung_at < Export.lease_until, False),
    )


# Somebody works on it.


def claim(connection: Connection, export_id: int, owner: str, *, lease_seconds: float, max_attempts: int) -> bool:
    """Take a row that may be worked on, by one conditional UPDATE; at most `max_attempts` starts.

    A row whose workers died each time is called failed, so that it stops killing them.
    """
    taking, failing = _claim_statements(lease_seconds, max_attempts)
    row = {"claimed": export_id}
    if connection.execute(taking, row | {"claimed_by": owner}).rowcount:
        return True
    if request_ids := list(connection.execute(failing, row).scalars()):
        settle(connection, request_ids)
        notify_ready(connection)
        log.warning("export_given_up", attempts=max_attempts)
    return False


@lru_cache
def _claim_statements(lease_seconds: float, max_attempts: int) -> tuple[Update, ReturningUpdate[int]]:
    """How a row is taken, and called failed."""
    free = and_(Export.id == bindparam("claimed"), is_workable())
    exhausted = Export.attempts >= max_attempts
    taking = (
        update(Export)
        .where(free, ~exhausted)
        .values(
            {
                **LEASE.take(bindparam("claimed_by"), lease_seconds),
                Export.status: ExportStatus.RUNNING,
                Export.attempts: Export.attempts + 1,
                Export.started_at: utc_now(),
                Export.lines_written: 0,
                Export.not_before: None,
            }
        )
    )
    said = f"La production s'est arrêtée {max_attempts} fois avant la fin : prévenez l'exploitant."
    failing = (
        update(Export)
        .where(free, exhausted)
        .values(
            {
                **LEASE.end(),
                Export.status: ExportStatus.FAILED,
                Export.finished_at: utc_now(),
                Export.error_code: case((Export.error_code != "", Export.error_code), else_=GIVEN_UP_CODE),
                Export.error_message: case((Export.error_message != "", Export.error_message), else_=said),
            }
        )
        .returning(Export.request_id)
    )
    return taking, failing


def renew(engine: Engine, export_id: int, owner: str, lease_seconds: float, written: int) -> bool:
    """Begin the lease anew and write down the progress; False when the row is in other hands."""
    values = {**LEASE.renew(lease_seconds), Export.lines_written: written}
    with engine.begin() as connection:
        return bool(connection.execute(update(Export).where(is_owned(export_id, owner)).values(values)).rowcount)


def announce(engine: Engine, export_id: int, owner: str, *, electeurs: int) -> None:
    """Write how many electors the file will hold, and let progress be published where it was asked for; not of few."""
    if electeurs <= FEW:
        return
    with engine.begin() as connection:
        mine = update(Export).where(is_owned(export_id, owner)).values(electeurs=electeurs)
        request_id = connection.scalar(mine.returning(Export.request_id))
        wanted = select(Request.id).where(Request.id == request_id, Request.is_progress_wanted)
        for wanting in connection.scalars(wanted):
            add(connection, [NewWork(WorkKind.PROGRESS, subject_of(About.REQUEST, wanting))])


# How that ends: each by one transaction that only the owner can make.


def mark_ready(engine: Engine, export_id: int, owner: str, made: Made, files: Iterable[PendingFile]) -> None:
    """Give the files their names and record them, together: the row is locked for its owner meanwhile.

    Raises:
        LeaseLostError: another worker has the row; nothing was published.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '15s'")
        request_id = _end(
            connection,
            is_owned(export_id, owner),
            status=ExportStatus.READY,
            finished_at=utc_now(),
            lease_until=None,
            **{name: value for name, value in vars(made).items() if name not in {"file", "pieces"}},
            lines_written=made.electeurs,
            size=made.file.size,
            sha256=made.file.sha256,
            error_code="",
            error_message="",
            purged_at=None,
            verified_at=None,
        )
        connection.execute(delete(ExportPiece).where(ExportPiece.export_id == export_id))
        for piece, stored in made.pieces.items():
            add_piece(connection, export_id, piece, stored)
        publish(files)
        settle(connection, [request_id])
        notify_ready(connection)


def add_piece(connection: Connection, export_id: int, piece: Piece, stored: StoredFile) -> None:
    """Record a file that stands beside that of an export."""
    known = {"file_name": stored.name, "size": stored.size, "sha256": stored.sha256}
    connection.execute(insert(ExportPiece).values(export_id=export_id, kind=piece.value, **known))


def mark_failed(engine: Engine, export_id: int, owner: str, error: PrefectureError) -> None:
    """Call the row failed, with the reason that its clerk reads.

    Raises:
        LeaseLostError: another worker has the row.
    """
    with engine.begin() as connection:
        request_id = _end(
            connection,
            is_owned(export_id, owner),
            status=ExportStatus.FAILED,
            finished_at=utc_now(),
            lease_until=None,
            error_code=error.code,
            error_message=str(error),
        )
        settle(connection, [request_id])
        notify_ready(connection)


def release(engine: Engine, export: Export, owner: str, error: PrefectureError, *, counts: bool) -> None:
    """Give the row back to wait for a better time; `counts`: this start is one of the few it has.

    Raises:
        LeaseLostError: another worker has the row.
    """
    tries = _tries_before(export, error)
    wait = wait_seconds(tries, error)
    with engine.begin() as connection:
        _end(
            connection,
            is_owned(export.id, owner),
            status=ExportStatus.QUEUED,
            owner=None,
            lease_until=None,
            not_before=utc_now(wait) if wait else None,
            rung_at=None,
            retries=tries + 1,
            attempts=Export.attempts if counts else Export.attempts - 1,
            error_code=error.code,
            error_message=str(error),
        )


def wake(engine: Engine, codes: Collection[str], limit: int) -> int:
    """Let rows that wait for a better time be worked on now, since another found it; how many they were.

    A wait that is cut short counts for none, so that no row gives up sooner for it. The sweep enqueues them.
    """
    waits = Export.status == ExportStatus.QUEUED, Export.not_before > utc_now(), Export.error_code.in_(codes)
    oldest = select(Export.id).where(*waits).order_by(Export.id).limit(limit).with_for_update(skip_locked=True)
    now = {Export.not_before: None, Export.rung_at: None, Export.retries: Export.retries - 1}
    woken = update(Export).where(Export.id.in_(oldest.cte("oldest").select())).values(now)
    with engine.begin() as connection:
        return connection.execute(woken).rowcount


def is_overdue(export: Export, error: PrefectureError, retry_seconds: float) -> bool:
    """Whether the row has waited long enough for what is away; its time in the queue does not count."""
    return sum(wait_seconds(tried, error) for tried in range(_tries_before(export, error))) >= retry_seconds


def _tries_before(export: Export, error: PrefectureError) -> int:
    """How many times in a row it met this trouble; after another one, waiting begins anew."""
    return export.retries if export.error_code == error.code else 0


def wait_seconds(tries: int, error: PrefectureError) -> float:
    """Until the next start, after so many that met this.

    A database that answers again is asked again at once, the first time.
    """
    if isinstance(error, DatabaseAwayError):
        tries -= 1
    return until_next_try(tries) if tries >= 0 else 0


def _end(connection: Connection, fence: ColumnElement[bool], **values: Any) -> int:  # noqa: ANN401 — columns
    """Whose file it is."""
    request_id: int | None = connection.scalar(
        update(Export).where(fence).values(**values).returning(Export.request_id)
    )
    if request_id is None:
        raise LeaseLostError("the row has another owner")
    return request_id


def settle(connection: Connection, request_ids: Iterable[int]) -> int:
    """Complete the requests whose files have all ended, and add the works of their end; how many they were.

    To be called after the files' rows were written, in the same transaction: of two workers that end the last two files
    at the same time, the second waits here for the first, and sees what it has written.
    """
    lock, settled = _settle_statements()
    mine = {"mine": sorted(set(request_ids))}
    connection.execute(lock, mine)
    completed = connection.execute(settled, mine).all()
    add_works_of_end(connection, completed)
    return len(completed)


def add_works_of_end(connection: Connection, completed: Sequence[Row[int, bool, int]]) -> None:
    """Add the works of requests that are complete: the event of each file, that of the end, and the messages.

    `completed`: id, is_bulk and turn of each request.
    """
    places = {row.id: (subject_of(About.REQUEST, row.id), int(row.is_bulk), row.turn) for row in completed}
    files = select(Export.request_id, Export.part).where(Export.request_id.in_(places)).order_by(Export.id)
    works = [
        NewWork(WorkKind.EVENT, subject, part, *place)
        for request_id, part in connection.execute(files).all()
        for subject, *place in (places[request_id],)
    ]
    for subject, *place in places.values():
        works += [NewWork(kind, subject, "", *place) for kind in (WorkKind.EVENT, WorkKind.RECIPIENTS)]
    add(connection, works)


@cache
def _settle_statements() -> tuple[Select[int], ReturningUpdate[int, bool, int]]:
    mine = Request.id.in_(bindparam("mine", expanding=True))
    files = select(Export.id).where(Export.request_id == Request.id).correlate(Request)
    has_ended = and_(Request.completed_at.is_(None), files.exists(), ~files.where(IS_UNFINISHED).exists())
    last = files.with_only_columns(func.max(Export.finished_at)).scalar_subquery()
    settled = update(Request).where(mine, has_ended).values(completed_at=func.coalesce(last, utc_now()))
    of_end = Request.id, Request.is_bulk, Request.turn
    return select(Request.id).where(mine).order_by(Request.id).with_for_update(), settled.returning(*of_end)


def cancelled_by(name: str) -> str:
    """The reason of who cancels, as a clerk reads it."""
    return f"Annulé par {name}."


def cancel(connection: Connection, export_ids: Sequence[int], reason: str) -> int:
    """Cancel those of the rows that wait or are worked on, with the reason that a clerk reads; how many they were.

    Whoever makes one finds the row in other hands.
    """
    cancelled = connection.execute(
        update(Export)
        .where(Export.id.in_(export_ids), IS_UNFINISHED)
        .values(
            {
                **LEASE.end(),
                Export.status: ExportStatus.CANCELLED,
                Export.not_before: None,
                Export.finished_at: utc_now(),
                Export.error_code: CANCELLED_CODE,
                Export.error_message: reason,
            }
        )
        .returning(Export.request_id)
    )
    request_ids = list(cancelled.scalars())
    settle(connection, request_ids)
    notify_ready(connection)
    return len(request_ids)


def resume(connection: Connection) -> list[Doorbell]:
    """Let every row wait that an earlier process left; only where nobody else can be at work (the embedded mode)."""
    left = connection.execute(
        update(Export)
        .where(IS_UNFINISHED)
        .values({**LEASE.end(), Export.status: ExportStatus.QUEUED, Export.not_before: None})
        .returning(Export.id, Export.kind, Export.is_bulk)
    )
    return sorted(Doorbell(*row) for row in left)


def restart(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Let the rows that somebody works on wait again, since what he reads was taken back; how many they were.

    Nobody begins or ends one before the transaction is over: whoever does then reads the register as it leaves it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT lock_exports()"))
    left = update(Export).where(Export.status == ExportStatus.RUNNING, condition)
    again = {Export.status: ExportStatus.QUEUED, Export.rung_at: None, Export.attempts: Export.attempts - 1}
    return connection.execute(left.values({**LEASE.end(), **again})).rowcount


def count_unfinished(connection: Connection) -> int:
    """Rows that are worked on or could be; those that wait for a better time do not count."""
    unfinished = select(func.count()).select_from(Export).where(IS_UNFINISHED, Export.not_before.is_(None))
    return connection.execute(unfinished).scalar_one()


# What happens to the file afterwards.


def mark_downloaded(connection: Connection, export_id: int, *, at: datetime, by: str) -> None:
    """Somebody has taken it; what is said late takes the place of no later download."""
    is_latest = or_(Export.downloaded_at.is_(None), Export.downloaded_at <= at)
    values = {"downloaded_at": at, "downloaded_by": by}
    connection.execute(update(Export).where(Export.id == export_id, is_latest).values(values))


def mark_verified(connection: Connection, export_ids: Sequence[int]) -> None:
    """Its files were found as they were made."""
    connection.execute(update(Export).where(Export.id.in_(export_ids)).values(verified_at=utc_now()))


RECALLED = ", à refaire"
"""The end of the label of a file that rests on what was taken back."""


def mark_recalled(connection: Connection, export_ids: Sequence[int], recall_id: int) -> None:
    """They rest on what was taken back, and are to be made again: for good, whatever is imported next."""
    values = {"recall_id": recall_id, "label": Export.label + RECALLED}
    connection.execute(update(Export).where(Export.id.in_(export_ids)).values(values))


PURGE = "purge"
"""The owner of a row whose files are being removed: with `purged_at`, the mark that a killed purge leaves."""

_PIECES_SIZE = select(func.sum(ExportPiece.size)).where(ExportPiece.export_id == Export.id).scalar_subquery()
FILES_SIZE = func.coalesce(Export.size, 0) + func.coalesce(_PIECES_SIZE, 0)
"""Bytes of the file of an export and of what stands beside it."""

IS_BEING_PURGED = and_(Export.owner == literal_column(f"'{PURGE}'"), Export.purged_at.is_not(None), ~IS_UNFINISHED)


IS_ABANDONED = and_(Export.status.in_((ExportStatus.FAILED, ExportStatus.CANCELLED)), Export.purged_at.is_(None))
"""It came to nothing: a file that bears its name is what a start left which lost the database before the record."""

ABANDONED_SECONDS = 3600
"""How long after its end such a file is left alone."""


def is_old(seconds: float) -> ColumnElement[bool]:
    """Whether the file ended more than so many seconds ago, and is still there."""
    return and_(Export.finished_at < utc_now(-seconds), ~IS_UNFINISHED, Export.purged_at.is_(None))


def begin_purge(connection: Connection, seconds: float, limit: int) -> list[int]:
    """Mark rows whose files are old and whose request was notified: these files are offered no more."""
    due = (
        select(Export.id)
        .join(Request, Request.id == Export.request_id)
        .where(is_old(seconds), Request.notified_at.is_not(None))
        .order_by(Export.finished_at)
        .limit(limit)
        .with_for_update(of=Export, skip_locked=True)
        .cte("due")
    )
    statement = update(Export).where(Export.id.in_(select(due.c.id))).values(purged_at=utc_now(), owner=PURGE)
    return sorted(connection.scalars(statement.returning(Export.id)))


def begin_purge_now(connection: Connection, export_ids: Sequence[int]) -> None:
    """Mark rows whatever their age and whoever was told, for what their files hold is to be forgotten."""
    ended = and_(Export.id.in_(export_ids), ~IS_UNFINISHED)
    values = {"purged_at": func.coalesce(Export.purged_at, utc_now()), "owner": PURGE}
    connection.execute(update(Export).where(ended).values(values))


def begin_purge_again(connection: Connection, export_ids: Sequence[int]) -> None:
    """Mark purged rows whose files came back, with a volume restored from a backup."""
    came_back = and_(Export.id.in_(export_ids), Export.purged_at.is_not(None), ~IS_UNFINISHED)
    connection.execute(update(Export).where(came_back).values(owner=PURGE))


def mark_purged(connection: Connection, export_id: int) -> None:
    """Its files are gone."""
    connection.execute(update(Export).where(Export.id == export_id).values(owner=None))
