"""An export file that has arrived: the states of its row, with one function of this module for each transition.

The correction of an import that is in the register has such a row too, without a file.

    from       by                                                to
    (nothing)  add_preview                                       QUEUED
    QUEUED     begin                                             RUNNING
    RUNNING    mark_asked                                        READY, TO_MATCH
    READY      accept: an agent asks for the import              ACCEPTED
    TO_MATCH   accept: an agent has matched the columns          QUEUED
    ACCEPTED   begin                                             IMPORTING
    IMPORTING  mark_imported, in the transaction of the import   IMPORTED
    both       release: another import is running                QUEUED, ACCEPTED
    both       mark_refused                                      REFUSED
    any        drop                                              DROPPED
    both       expire, after a day                               EXPIRED

A work of kind `preview` (worker/work) lets a worker read, import or erase the file; only the worker that holds the work
changes the row: for another one, `mark_…` and `release` raise LeaseLostError. In the last four states the work erases
the file.
READY, TO_MATCH and the final states complete the requests that wait. Notifications follow.
"""

import stat
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    Date,
    Engine,
    ForeignKey,
    Index,
    Integer,
    and_,
    case,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from schemas.vocabulary import PreviewAct, PreviewStatus
from worker.db.types import Base, Id, Texte, UtcDateTime, empty, seconds_between, utc_now
from worker.errors import ImportRefusedError
from worker.exports.models import Request
from worker.exports.records import add_works_of_end
from worker.work import queue
from worker.work.queue import About, Claim, NewWork, WorkKind, add, subject_of

DAY_SECONDS = 24 * 3600


class Arrivals:
    """The folder of the export files that have arrived. The folder does not exist until the first file arrives."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, name: str) -> Path:
        """Return the path of the file of that name.

        Raises:
            ImportRefusedError: the file no longer exists, or is a link or a folder.
        """
        path = self.root / name
        with suppress(OSError):
            if stat.S_ISREG(path.lstat().st_mode):
                return path
        raise ImportRefusedError(
            "Le fichier n'est plus dans le dossier des arrivées ; déposez-le de nouveau"
        )

    def erase(self, name: str) -> None:
        """Delete a file, if it exists; raises OSError when the system refuses."""
        if name:
            (self.root / name).unlink(missing_ok=True)

    def erase_forgotten(self, kept: Collection[str]) -> Iterator[str]:
        """Delete the files that are older than a day, half-written ones too, except `kept`; yield their names."""
        with suppress(FileNotFoundError):
            for path in sorted(self.root.iterdir()):
                with suppress(OSError):
                    if path.name not in kept and path.lstat().st_mtime < time.time() - DAY_SECONDS:
                        path.unlink()
                        yield path.name


GIVEN_UP = "La lecture s'est arrêtée {} fois avant la fin : prévenez votre administrateur."

BUSY_SECONDS, TROUBLE_SECONDS = 1.0, 5.0
"""Seconds until a row is retried: while another import runs; while a service is away or full."""


class Preview(Base):
    """An export in the arrivals folder: what its import would change, then whether it was imported.

    Or a correction of the import `import_id`; the columns of the file then describe the imported file, without a file.
    """

    __tablename__ = "preview"
    __table_args__ = (Index("ix_preview_code_commune", "code_commune"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    request_id: Mapped[int] = mapped_column(
        ForeignKey("request.id"), index=True, doc="That of the preview."
    )
    import_request_id: Mapped[int | None] = mapped_column(
        ForeignKey("request.id"), index=True, doc="The request that confirms the import."
    )
    act: Mapped[str] = mapped_column(
        Texte, default=PreviewAct.IMPORT, server_default=PreviewAct.IMPORT
    )
    code_commune: Mapped[str] = mapped_column(Texte)
    arrival: Mapped[str] = mapped_column(Texte, default="", doc="Its name in the arrivals folder.")
    sha256: Mapped[str] = mapped_column(Texte)
    file_name: Mapped[str] = mapped_column(Texte, doc="What its owner calls it.")
    taken_on: Mapped[date] = mapped_column(
        Date, doc="The day it was downloaded from the REU, or is said to be."
    )
    liste: Mapped[str] = empty("Of all its electors, when said.")
    requested_by: Mapped[str] = mapped_column(Texte)
    status: Mapped[str] = mapped_column(Texte, default=PreviewStatus.QUEUED)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())

    lines_read: Mapped[int] = mapped_column(
        Integer, default=0, server_default=text("0"), doc="Progress of this step."
    )

    found: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True), doc="What would change; no name."
    )
    register_state: Mapped[str] = empty(
        "The register that it was compared with, or that would be left."
    )
    terms: Mapped[dict[str, Any]] = mapped_column(
        JSON,
        default=dict,
        server_default="{}",
        doc="Who wants it and why, what was accepted, what is emptied.",
    )
    import_id: Mapped[int | None] = mapped_column(
        Id, doc="Of the register, or to be corrected there."
    )
    reason: Mapped[str] = empty("Why it was refused, in French.")
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="When its file was removed."
    )


_MOST_REFUSED, _REFUSED_WITHIN_SECONDS, _REST_SECONDS = 5, 600, 60
"""The refused exports of an agent after which their next ones are read one a minute, whatever they cost."""

IS_ENDED = Preview.status.in_([status.value for status in PreviewStatus if status.is_terminal])
IS_ASKED = Preview.status.in_([status.value for status in PreviewStatus if status.is_asked])


def add_preview(session: Session, request: Request, columns: dict[str, Any]) -> Sequence[NewWork]:
    """Insert the row of an export, and add the work to read it; return the work."""
    preview = Preview(request_id=request.id, **columns)
    session.add(preview)
    session.flush()
    return _add_works(session.connection(), [preview.id], fair_tag=request.fair_tag)


def share_of(code_commune: str) -> str:
    """Return the share of the imports of a commune."""
    return f"import {code_commune}"


def _add_works(
    connection: Connection, preview_ids: Iterable[int], *, fair_tag: int = 0
) -> Sequence[NewWork]:
    of_preview = select(Preview.id, Preview.code_commune).where(Preview.id.in_([*preview_ids]))
    works = [
        NewWork(
            WorkKind.PREVIEW,
            subject_of(About.PREVIEW, preview_id),
            fair_tag=fair_tag,
            share=share_of(commune),
        )
        for preview_id, commune in connection.execute(of_preview)
    ]
    add(connection, works)
    return works


def seconds_to_rest(connection: Connection, preview: Preview) -> float:
    """Return how long the reading of an export waits: _REST_SECONDS after the last of _MOST_REFUSED of its agent."""
    is_theirs = (
        Preview.code_commune == preview.code_commune,
        Preview.requested_by == preview.requested_by,
    )
    is_refused = (
        Preview.status == PreviewStatus.REFUSED,
        Preview.finished_at > utc_now(-_REFUSED_WITHIN_SECONDS),
    )
    since = seconds_between(func.max(Preview.finished_at), utc_now())
    number, age = connection.execute(
        select(func.count(), since).where(*is_theirs, *is_refused)
    ).one()
    if number < _MOST_REFUSED:
        return 0
    # the clock may have been ahead when the last one was refused
    return float(min(max(_REST_SECONDS - age, 0), _REST_SECONDS))


def read_preview(connection: Connection, preview_id: int) -> Preview | None:
    """Return the row with its current values."""
    with Session(connection) as session:
        return session.get(Preview, preview_id)


# A worker has claimed the work of the row.

_STEPS = {
    PreviewStatus.QUEUED.value: PreviewStatus.RUNNING.value,
    PreviewStatus.ACCEPTED.value: PreviewStatus.IMPORTING.value,
}
"""The state of a claimed row, by the state in which it waited."""


def begin(connection: Connection, preview_id: int) -> None:
    """Set RUNNING or IMPORTING, and reset the progress."""
    step = case(_STEPS, value=Preview.status, else_=Preview.status)
    is_it = Preview.id == preview_id, ~IS_ENDED
    connection.execute(
        update(Preview).where(*is_it).values({Preview.status: step, Preview.lines_read: 0})
    )


def mark_asked(
    engine: Engine,
    claim: Claim,
    status: PreviewStatus,
    *,
    found: dict[str, Any],
    register_state: str = "",
) -> None:
    """Record what the import would change, or what is asked about the file; complete the request, finish the work."""
    asked = {Preview.status: status, Preview.found: found, Preview.register_state: register_state}
    with engine.begin() as connection:
        queue.require_held(queue.finish(connection, [claim]))
        _change(connection, claim, asked)
        _settle(connection, [claim.subject_id])


def mark_imported(connection: Connection, claim: Claim, import_id: int) -> None:
    """Record that the register holds the export, or was corrected, in the transaction that changes the register."""
    _end(connection, claim, {Preview.status: PreviewStatus.IMPORTED, Preview.import_id: import_id})


def mark_refused(engine: Engine, claim: Claim, reason: str) -> None:
    """Record why the register does not accept the export."""
    with engine.begin() as connection:
        _end(connection, claim, {Preview.status: PreviewStatus.REFUSED, Preview.reason: reason})


def release(connection: Connection, claim: Claim, *, seconds: float, counts: bool) -> None:
    """Release the work: it is due again in `seconds`. With `counts`, this start counts towards the limit of starts."""
    back = case(
        {step: state for state, step in _STEPS.items()}, value=Preview.status, else_=Preview.status
    )
    queue.require_held(queue.release(connection, claim, seconds, counts=counts))
    _change(connection, claim, {Preview.status: back})


# Decisions of agents.


def accept(
    connection: Connection,
    preview_id: int,
    request: Request,
    terms: dict[str, Any],
    was: PreviewStatus,
) -> Sequence[NewWork]:
    """Record the answer and add the work; return none when the row is no longer in the state `was`."""
    then = PreviewStatus.QUEUED if was is PreviewStatus.TO_MATCH else PreviewStatus.ACCEPTED
    wanted = {Preview.status: then, Preview.import_request_id: request.id, Preview.terms: terms}
    is_it = and_(Preview.id == preview_id, Preview.status == was)
    is_accepted = bool(connection.execute(update(Preview).where(is_it).values(wanted)).rowcount)
    return _add_works(connection, [preview_id] if is_accepted else [], fair_tag=request.fair_tag)


def drop(connection: Connection, request_id: int) -> tuple[Sequence[int], Sequence[NewWork]]:
    """Drop the previews of a request and add works to erase their files; a worker that holds one loses its lease.

    Return the numbers of the previews, and the works.
    """
    of_request = or_(Preview.request_id == request_id, Preview.import_request_id == request_id)
    ids = connection.scalars(select(Preview.id).where(of_request, ~IS_ENDED)).all()
    subjects = [subject_of(About.PREVIEW, it) for it in ids]
    queue.withdraw(connection, [WorkKind.PREVIEW], subjects)
    ended = {Preview.status: PreviewStatus.DROPPED, Preview.finished_at: utc_now()}
    is_it = Preview.id.in_(ids), ~IS_ENDED
    dropped = connection.scalars(
        update(Preview).where(*is_it).values(ended).returning(Preview.id)
    ).all()
    works = _add_works(connection, ids)
    _settle(connection, dropped)
    return dropped, works


# The end of the row.


def expire(engine: Engine) -> int:
    """Expire the previews that no agent accepted within a day, and add works to erase their files; return how many."""
    is_old = and_(IS_ASKED, Preview.created_at <= utc_now(-DAY_SECONDS))
    ended = update(Preview).values(status=PreviewStatus.EXPIRED, finished_at=utc_now())
    with engine.begin() as connection:
        expired = connection.scalars(ended.where(is_old).returning(Preview.id)).all()
        _add_works(connection, expired)  # the request is completed
    return len(expired)


def mark_erased(connection: Connection, preview_id: int) -> None:
    """Record that the file is erased; delete the examples of its values, and what the agent typed.

    The audit trail keeps the reason.
    """
    is_it = Preview.id == preview_id, IS_ENDED
    for terms, found in connection.execute(
        select(Preview.terms, Preview.found).where(*is_it)
    ).all():
        kept = {name: said for name, said in terms.items() if name not in {"reason", "mapping"}}
        values = {
            "erased_at": utc_now(),
            "terms": kept,
            "found": None if "matching" in (found or {}) else found,
        }
        connection.execute(update(Preview).where(*is_it).values(values))


def _end(connection: Connection, claim: Claim, values: dict[Any, Any]) -> None:
    queue.hold(connection, claim)
    _change(connection, claim, values | {Preview.finished_at: utc_now()})
    _settle(connection, [claim.subject_id])


def _change(connection: Connection, claim: Claim, values: dict[Any, Any]) -> None:
    connection.execute(update(Preview).where(Preview.id == claim.subject_id).values(values))


def _settle(connection: Connection, preview_ids: Sequence[int]) -> None:
    for column in (Preview.request_id, Preview.import_request_id):
        named = select(column).where(Preview.id.in_(preview_ids), column.is_not(None))
        is_it = Request.id.in_(named), Request.completed_at.is_(None)
        completed = update(Request).where(*is_it).values(completed_at=utc_now())
        rows = connection.execute(
            completed.returning(Request.id, Request.lane, Request.fair_tag)
        ).all()
        add_works_of_end(connection, rows)
