"""The record of a file: the states of its row, with one function of this module for each transition.

    from       by                                          to
    (nothing)  add_exports                                 QUEUED
    QUEUED     begin                                       RUNNING
    RUNNING    mark_ready                                  READY
    RUNNING    mark_failed                                 FAILED
    RUNNING    release: a service is away or full          QUEUED
    RUNNING    give_up: it has killed its processes        FAILED
    RUNNING    restart: its data were withdrawn            QUEUED
    both       cancel                                      CANCELLED

A work of kind `liste` or `tableau` (worker/work) lets a worker make the file. The transaction that ends the last file
of a request also sets `completed_at` of the request, and adds the work that announces its end.

Only the worker that holds the work changes the row. A worker that was frozen finds that another one holds the work, and
publishes nothing: the functions that end an attempt raise LeaseLostError. Each transaction locks the work first, then
the row. What happens to the file afterwards (download, verification, purge, recall) is recorded on the row, and changes
no state.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    and_,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from common.calendrier import civil_time
from schemas.vocabulary import UNFINISHED, ExportStatus, Piece
from worker.db.engine import end_if_frozen
from worker.db.types import utc_now
from worker.error_policy import until_next_try
from worker.errors import PrefectureError
from worker.exports.models import Export, ExportPiece, Request, allocate_names
from worker.exports.storage import PendingFile, publish
from worker.work import queue
from worker.work.queue import (
    FILES,
    About,
    Claim,
    NewWork,
    Work,
    WorkKind,
    WorkState,
    add,
    subject_of,
)

FEW = 5_000
"""A file of so few electors is made before an agent could see its progress."""

IS_UNFINISHED = Export.status.in_(UNFINISHED)

_RESTART_LOCK = 0x7265737461727401  # « restart »

log = structlog.get_logger()


# Creation.


def add_exports(
    session: Session, request: Request, files: Sequence[Mapping[str, Any]], pattern: str, share: str
) -> list[NewWork]:
    """Insert the rows of the files of a new request from their columns, each with a unique file name and a work.

    `provisoire_until` is the civil day from which a tableau is final: if that day has come, the row
    has none. `pattern`: see `file_name_of`. The works have consecutive turns of `share`. Return them.
    """
    session.flush()
    moment = civil_time(request.created_at, request.code_commune)
    of_request = {"request_id": request.id, "code_commune": request.code_commune}
    exports = [Export(**of_request, **columns) for columns in files]
    for export in exports:
        if export.provisoire_until and export.provisoire_until <= moment.date():
            export.provisoire_until = None
    allocate_names(session, exports, moment, pattern)
    session.add_all(exports)
    session.flush()
    works = [
        NewWork(WorkKind(it.kind), subject_of_file(it.id), "", request.lane, fair_tag, share)
        for fair_tag, it in enumerate(exports, request.fair_tag)
    ]
    add(session.connection(), works)
    return works


def subject_of_file(export_id: int) -> str:
    """Return the subject of the works about a file."""
    return subject_of(About.EXPORT, export_id)


# The start of an attempt.


def begin(connection: Connection, claim: Claim) -> bool:
    """Mark the file of a claimed work as running; return False if the file has ended already."""
    begun = {
        Export.status: ExportStatus.RUNNING,
        Export.started_at: utc_now(),
        Export.lines_written: 0,
    }
    is_it = Export.id == claim.subject_id, IS_UNFINISHED
    return bool(connection.execute(update(Export).where(*is_it).values(begun)).rowcount)


def wait_for_restart(connection: Connection) -> None:
    """Wait for the end of a transaction that restarts files; a later one waits for this transaction.

    Call it before the transaction locks a work: a restart locks works too.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock_shared(_RESTART_LOCK)))


def announce(engine: Engine, claim: Claim, *, electeurs: int) -> None:
    """Record the number of electors of a larger file, so that an agent sees its progress."""
    if electeurs <= FEW:
        return
    with engine.begin() as connection:
        queue.hold(connection, claim)
        mine = update(Export).where(Export.id == claim.subject_id)
        connection.execute(mine.values(electeurs=electeurs))


# The end of an attempt: one transaction, which only the owner of the work can make.


def mark_ready(
    engine: Engine,
    claim: Claim,
    file: PendingFile,
    pieces: Mapping[Piece, PendingFile],
    **columns: Any,  # noqa: ANN401 — of the row
) -> None:
    """Rename the file and its pieces to their final names and record them, in a transaction that locks the work.

    Raises:
        LeaseLostError: another worker holds the work; no file was published.
    """
    export_id = claim.subject_id
    for beside in pieces.values():
        beside.finish()
    with engine.begin() as connection:
        end_if_frozen(connection)
        request_id = _end(
            connection,
            claim,
            status=ExportStatus.READY,
            finished_at=utc_now(),
            **columns,
            lines_written=columns["electeurs"],
            size=file.size,
            sha256=file.sha256,
            error_code="",
            error_message="",
            purged_at=None,
            verified_at=None,
            fault="",
        )
        connection.execute(delete(ExportPiece).where(ExportPiece.export_id == export_id))
        for piece, beside in pieces.items():
            add_piece(connection, export_id, piece, beside)
        publish([*pieces.values(), file])
        settle(connection, [request_id])


def add_piece(connection: Connection, export_id: int, piece: Piece, file: PendingFile) -> None:
    """Record a file that accompanies the file of an export."""
    known = {"file_name": file.path.name, "size": file.size, "sha256": file.sha256}
    connection.execute(insert(ExportPiece).values(export_id=export_id, kind=piece.value, **known))


def mark_failed(engine: Engine, claim: Claim, error: PrefectureError) -> None:
    """Set the status failed, with the reason that clerks read."""
    with engine.begin() as connection:
        _fail(connection, claim, error_code=error.code, error_message=str(error))


def give_up(connection: Connection, claim: Claim, starts: int) -> None:
    """Set the status failed after so many unfinished starts, whatever the file waited for before them."""
    said = f"La production s'est arrêtée {starts} fois avant la fin : prévenez l'exploitant."
    _fail(connection, claim, error_code="arrets_repetes", error_message=said)
    log.warning("export_given_up", attempts=starts)


def _fail(connection: Connection, claim: Claim, **values: Any) -> None:  # noqa: ANN401 — columns
    request_id = _end(
        connection, claim, status=ExportStatus.FAILED, finished_at=utc_now(), **values
    )
    settle(connection, [request_id])


def release(engine: Engine, claim: Claim, error: PrefectureError, *, counts: bool) -> None:
    """Release the work: it is due again after a wait. With `counts`, this start counts towards the limit of starts."""
    wait = until_next_try(claim.starts - 1 if counts else claim.waits)
    waits = {"status": ExportStatus.QUEUED, "error_code": error.code, "error_message": str(error)}
    with engine.begin() as connection:
        queue.require_held(queue.release(connection, claim, wait, str(error), counts=counts))
        connection.execute(update(Export).where(Export.id == claim.subject_id).values(waits))


def is_overdue(claim: Claim, retry_seconds: float) -> bool:
    """Whether the waits of a file in a row have reached `retry_seconds`.

    The pauses of the workers and the time in the queue do not count. When many files wait for the same volume, each of
    them is tried more rarely than its waits allow, so `retry_seconds` is the least time before a file fails for good.
    """
    return sum(map(until_next_try, range(claim.waits))) >= retry_seconds


def _end(connection: Connection, claim: Claim, **values: Any) -> int:  # noqa: ANN401 — columns
    wait_for_restart(connection)
    queue.require_held(queue.finish(connection, [claim]))
    ended = update(Export).where(Export.id == claim.subject_id).values(**values)
    return connection.execute(ended.returning(Export.request_id)).scalar_one()


def settle(connection: Connection, request_ids: Iterable[int]) -> int:
    """Complete the requests whose files have all ended, and add the work of their end; return how many.

    Call it after the rows of the files are written, in the same transaction: of two workers that end the last two files
    at the same time, the second waits here for the first, and sees its rows.
    """
    mine = Request.id.in_(set(request_ids))
    connection.execute(select(Request.id).where(mine).order_by(Request.id).with_for_update())
    files = select(Export.id).where(Export.request_id == Request.id).correlate(Request)
    has_ended = and_(
        Request.completed_at.is_(None), files.exists(), ~files.where(IS_UNFINISHED).exists()
    )
    last = files.with_only_columns(func.max(Export.finished_at)).scalar_subquery()
    settled = (
        update(Request).where(mine, has_ended).values(completed_at=func.coalesce(last, utc_now()))
    )
    completed = connection.execute(
        settled.returning(Request.id, Request.lane, Request.fair_tag)
    ).all()
    add_works_of_end(connection, completed)
    return len(completed)


def add_works_of_end(connection: Connection, completed: Sequence[Row[int, int, int]]) -> None:
    """Add the work that announces the end of each of these requests: id, lane and fair tag of each."""
    works = (
        NewWork(WorkKind.END, subject_of(About.REQUEST, row.id), "", row.lane, row.fair_tag)
        for row in completed
    )
    add(connection, works)


def cancelled_by(name: str) -> str:
    """Return the reason of a cancellation by this person, in French."""
    return f"Annulé par {name}."


def cancel(connection: Connection, export_ids: Sequence[int], reason: str) -> int:
    """Cancel the unfinished rows among these, with the reason for clerks; return how many.

    A worker that makes one of them loses its lease.
    """
    queue.withdraw(connection, FILES, [subject_of_file(it) for it in export_ids])
    cancelled = connection.execute(
        update(Export)
        .where(Export.id.in_(export_ids), IS_UNFINISHED)
        .values(
            {
                Export.status: ExportStatus.CANCELLED,
                Export.finished_at: utc_now(),
                Export.error_code: "annule",
                Export.error_message: reason,
            }
        )
        .returning(Export.request_id)
    )
    request_ids = list(cancelled.scalars())
    settle(connection, request_ids)
    return len(request_ids)


def restart(connection: Connection, condition: ColumnElement[bool]) -> int:
    """Queue running files again because the data that they read changed; return how many.

    No worker begins or ends one of them before the commit: it then reads the register that the transaction leaves.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_RESTART_LOCK)))
    running = Export.status == ExportStatus.RUNNING, condition
    subjects = select(literal_column("'export:'").concat(Export.id)).where(*running)
    queue.give_back(connection, and_(Work.kind.in_(FILES), Work.subject.in_(subjects)))
    return connection.execute(
        update(Export).where(*running).values(status=ExportStatus.QUEUED)
    ).rowcount


def count_unfinished(connection: Connection) -> int:
    """Return the number of files that are running or due; those that wait for a later time are not counted."""
    is_due = or_(Work.state == WorkState.HELD, Work.due_at <= utc_now())
    unfinished = (
        select(func.count()).select_from(Work).where(Work.kind.in_(FILES), queue.is_open(), is_due)
    )
    return connection.execute(unfinished).scalar_one()


# After the end.


def mark_downloaded(connection: Connection, export_id: int, *, at: datetime, by: str) -> None:
    """Record the download, unless a later one is recorded."""
    is_latest = or_(Export.downloaded_at.is_(None), Export.downloaded_at <= at)
    values = {"downloaded_at": at, "downloaded_by": by}
    connection.execute(update(Export).where(Export.id == export_id, is_latest).values(values))


RECALLED = ", à refaire"
"""The end of the label of a recalled file."""


def mark_recalled(connection: Connection, export_ids: Sequence[int], recall_id: int) -> None:
    """Mark files as recalled; no later import removes the mark."""
    values = {"recall_id": recall_id, "label": Export.label + RECALLED}
    connection.execute(update(Export).where(Export.id.in_(export_ids)).values(values))


_PIECES_SIZE = (
    select(func.sum(ExportPiece.size)).where(ExportPiece.export_id == Export.id).scalar_subquery()
)
FILES_SIZE = func.coalesce(Export.size, 0) + func.coalesce(_PIECES_SIZE, 0)
"""Bytes of the file of an export and of its pieces."""
