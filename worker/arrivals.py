"""An export that has arrived: the states of its row, and every change from one to another, each by one statement here.

So is the correction of one that the register holds, which has no file: what would change is shown, then done.

    from       by                                                to
    (nothing)  add_preview                                       QUEUED
    QUEUED     claim                                             RUNNING
    RUNNING    mark_ready                                        READY
    READY      accept: somebody wants it in the register         ACCEPTED
    ACCEPTED   claim                                             IMPORTING
    IMPORTING  mark_imported, in the transaction that does it    IMPORTED
    both       claim, once the lease has run out                 the same, of another owner
    both       release: another import is at work                QUEUED, ACCEPTED, not before some time
    both       mark_refused                                      REFUSED
    any        drop                                              DROPPED
    READY      expire, after a day                               EXPIRED
    both       resume, at the start of the embedded mode         QUEUED, ACCEPTED

In the last four states the file is to be erased, and `erased_at` says that it is: a row without it is work to do, too.
READY completes the request for the preview, an end the request that waits: people and programs are then notified.
"""

import stat
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Date,
    Engine,
    ForeignKey,
    Index,
    Integer,
    Update,
    and_,
    case,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from schemas.vocabulary import PreviewAct, PreviewStatus
from worker.db.types import Base, Texte, UtcDateTime, utc_now
from worker.errors import ImportRefusedError, LeaseLostError
from worker.exports.lease import Lease
from worker.exports.models import Request
from worker.exports.records import add_works_of_end

DAY_SECONDS = 24 * 3600


class Arrivals:
    """The folder; it may not be there where nobody sends anything."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, name: str) -> Path:
        """The file of that name.

        Raises:
            ImportRefusedError: it is not there any more, or is a link or a folder.
        """
        path = self.root / name
        with suppress(OSError):
            if stat.S_ISREG(path.lstat().st_mode):
                return path
        raise ImportRefusedError("Le fichier n'est plus dans le dossier des arrivées ; déposez-le de nouveau")

    def erase(self, name: str) -> None:
        """Remove a file, if there is one; raises OSError when the system does not let it go."""
        if name:
            (self.root / name).unlink(missing_ok=True)

    def erase_forgotten(self, kept: Collection[str]) -> Iterator[str]:
        """Remove what has been there for a day, but these; what is half written has a day, too. Gives the names."""
        with suppress(FileNotFoundError):
            for path in sorted(self.root.iterdir()):
                with suppress(OSError):
                    if path.name not in kept and path.lstat().st_mtime < time.time() - DAY_SECONDS:
                        path.unlink()
                        yield path.name


GIVEN_UP = "La lecture s'est arrêtée {} fois avant la fin : prévenez votre administrateur."

BUSY_SECONDS, TROUBLE_SECONDS = 1.0, 5.0
"""How long a row waits for the end of another import, and for what is away or full."""

_Id = BigInteger().with_variant(Integer, "sqlite")
_ENDED = tuple(status.value for status in PreviewStatus if status.is_terminal)
_UNDER_WAY = (PreviewStatus.RUNNING, PreviewStatus.IMPORTING)
_WAITING = (PreviewStatus.QUEUED, PreviewStatus.ACCEPTED)
_IS_UNERASED = text("erased_at IS NULL")


class Preview(Base):
    """An export in the arrivals folder: what its import would change, then whether it was imported.

    Or what is to be done to an import, `import_id`; the file is the one that was imported then, and is nowhere.
    """

    __tablename__ = "preview"
    __table_args__ = (
        Index("ix_preview_unerased", "id", postgresql_where=_IS_UNERASED, sqlite_where=_IS_UNERASED),
        Index("ix_preview_code_commune", "code_commune"),
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id"), index=True, doc="That of the preview.")
    import_request_id: Mapped[int | None] = mapped_column(
        ForeignKey("request.id"), index=True, doc="That of the import, once somebody wants it."
    )
    act: Mapped[str] = mapped_column(Texte, default=PreviewAct.IMPORT, server_default=PreviewAct.IMPORT)
    code_commune: Mapped[str] = mapped_column(Texte)
    arrival: Mapped[str] = mapped_column(Texte, default="", doc="Its name in the arrivals folder.")
    sha256: Mapped[str] = mapped_column(Texte)
    file_name: Mapped[str] = mapped_column(Texte, doc="What its owner calls it.")
    taken_on: Mapped[date] = mapped_column(Date, doc="The day it was downloaded from the REU, or is said to be.")
    liste: Mapped[str] = mapped_column(Texte, default="", server_default="", doc="Of all its electors, when said.")
    requested_by: Mapped[str] = mapped_column(Texte)
    status: Mapped[str] = mapped_column(Texte, default=PreviewStatus.QUEUED)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=utc_now())

    owner: Mapped[str | None] = mapped_column(Texte, doc="The worker that holds the lease.")
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"), doc="Starts of this step.")
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime, doc="When to try again.")
    rung_at: Mapped[datetime | None] = mapped_column(UtcDateTime, doc="When its doorbell last rang.")
    lines_read: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"), doc="Progress of this step.")

    found: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), doc="What would change; no name.")
    register_state: Mapped[str] = mapped_column(
        Texte, default="", server_default="", doc="The register that it was compared with, or that would be left."
    )
    terms: Mapped[dict[str, Any]] = mapped_column(
        JSON, default=dict, server_default="{}", doc="Who wants it and why, what was accepted, what is emptied."
    )
    import_id: Mapped[int | None] = mapped_column(_Id, doc="Of the register, or to be corrected there.")
    reason: Mapped[str] = mapped_column(Texte, default="", server_default="", doc="Why it was refused, in French.")
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime, doc="When its file was removed.")


LEASE = Lease(Preview.owner, Preview.lease_until)

IS_ENDED = Preview.status.in_(_ENDED)


def _is_workable() -> ColumnElement[bool]:
    """Whether a worker could go on with the row now, or remove its file."""
    waits = and_(Preview.status.in_(_WAITING), or_(Preview.not_before.is_(None), Preview.not_before <= utc_now()))
    return or_(
        waits, and_(Preview.status.in_(_UNDER_WAY), LEASE.is_expired()), and_(IS_ENDED, Preview.erased_at.is_(None))
    )


def add_preview(session: Session, request_id: int, columns: dict[str, Any]) -> int:
    """The row of an export; its doorbell counts as rung."""
    preview = Preview(request_id=request_id, rung_at=utc_now(), **columns)
    session.add(preview)
    session.flush()
    return preview.id


def read_preview(connection: Connection, preview_id: int) -> Preview | None:
    """The row, as it is now."""
    with Session(connection) as session:
        return session.get(Preview, preview_id)


# Its doorbell.


def mark_previews_enqueued(connection: Connection, *, grace_seconds: float, limit: int) -> list[int]:
    """Take the rows that wait without a message, or whose worker died; they are marked, so that no other sweep does.

    A message that was lost is missed after the grace: a doorbell that rings twice does nothing more.
    """
    is_silent = or_(
        Preview.rung_at.is_(None),
        Preview.rung_at <= utc_now(-grace_seconds),
        Preview.rung_at < Preview.not_before,
        Preview.rung_at < Preview.lease_until,
    )
    forgotten = (
        select(Preview.id)
        .where(Preview.erased_at.is_(None), _is_workable(), is_silent)
        .order_by(Preview.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("forgotten")
    )
    statement = update(Preview).where(Preview.id.in_(select(forgotten.c.id))).values(rung_at=utc_now())
    return sorted(connection.scalars(statement.returning(Preview.id)))


def take_back_previews(engine: Engine, preview_ids: Collection[int]) -> None:
    """Take back that these doorbells rang, since the broker was away: the next sweep rings them."""
    with engine.begin() as connection:
        connection.execute(update(Preview).where(Preview.id.in_(preview_ids)).values(rung_at=None))


# Somebody works on it.


def claim(connection: Connection, preview_id: int, owner: str, *, lease_seconds: float, max_attempts: int) -> bool:
    """Take a row that may be worked on; one whose workers died each time is refused, so that it stops killing them."""
    free = and_(Preview.id == preview_id, ~IS_ENDED, _is_workable())
    exhausted = Preview.attempts >= max_attempts
    step = case(
        (Preview.status == PreviewStatus.QUEUED, PreviewStatus.RUNNING.value),
        (Preview.status == PreviewStatus.ACCEPTED, PreviewStatus.IMPORTING.value),
        else_=Preview.status,
    )
    start = {Preview.status: step, Preview.attempts: Preview.attempts + 1, Preview.not_before: None}
    begun = {**LEASE.take(owner, lease_seconds), **start, Preview.lines_read: 0}
    if connection.execute(update(Preview).where(free, ~exhausted).values(begun)).rowcount:
        return True
    _refuse(connection, update(Preview).where(free, exhausted), GIVEN_UP.format(max_attempts))
    return False


def renew(engine: Engine, preview_id: int, owner: str, lease_seconds: float, lines_read: int) -> bool:
    """Begin the lease anew and write down the progress; False when the row is in other hands."""
    values = {**LEASE.renew(lease_seconds), Preview.lines_read: lines_read}
    with engine.begin() as connection:
        return bool(connection.execute(update(Preview).where(_is_owned(preview_id, owner)).values(values)).rowcount)


def mark_ready(engine: Engine, preview_id: int, owner: str, *, found: dict[str, Any], register_state: str) -> None:
    """Record what would change.

    Raises:
        LeaseLostError: another worker has the row.
    """
    values = {**LEASE.end(), Preview.status: PreviewStatus.READY, Preview.attempts: 0}
    said = {Preview.found: found, Preview.register_state: register_state}
    with engine.begin() as connection:
        _end(connection, preview_id, owner, {**values, **said})
        _settle(connection, [preview_id])


def mark_imported(connection: Connection, preview_id: int, owner: str, import_id: int) -> None:
    """Record that the register holds it, or was corrected, in the transaction that does it.

    Raises:
        LeaseLostError: another worker has the row: this one must not import it.
    """
    ended = {Preview.status: PreviewStatus.IMPORTED, Preview.import_id: import_id, Preview.finished_at: utc_now()}
    _end(connection, preview_id, owner, {**LEASE.end(), **ended})
    _settle(connection, [preview_id])


def mark_refused(engine: Engine, preview_id: int, owner: str, reason: str) -> None:
    """Record why it does not enter the register.

    Raises:
        LeaseLostError: another worker has the row.
    """
    with engine.begin() as connection:
        if not _refuse(connection, update(Preview).where(_is_owned(preview_id, owner)), reason):
            raise LeaseLostError("the row has another owner")


def release(engine: Engine, preview_id: int, owner: str, *, seconds: float, counts: bool) -> None:
    """Give the row back to wait so long; `counts`: this start is one of the few it has.

    Raises:
        LeaseLostError: another worker has the row.
    """
    attempts = Preview.attempts if counts else Preview.attempts - 1
    later = {Preview.not_before: utc_now(seconds), Preview.rung_at: None, Preview.attempts: attempts}
    with engine.begin() as connection:
        _end(connection, preview_id, owner, {**LEASE.end(), **_back(), **later})


def resume(connection: Connection) -> list[int]:
    """Let every row wait that an earlier process left; only where nobody else can be at work (the embedded mode)."""
    left = update(Preview).where(Preview.status.in_(_UNDER_WAY)).values({**LEASE.end(), **_back()})
    connection.execute(left)
    return sorted(connection.scalars(select(Preview.id).where(_is_workable())))


# What people say of it.


def accept(connection: Connection, preview_id: int, request_id: int, terms: dict[str, Any]) -> bool:
    """Let it be imported; False when it is not there to be any more. Its doorbell counts as rung."""
    wanted = {Preview.status: PreviewStatus.ACCEPTED, Preview.import_request_id: request_id, Preview.terms: terms}
    is_it = and_(Preview.id == preview_id, Preview.status == PreviewStatus.READY)
    statement = update(Preview).where(is_it).values({**wanted, Preview.rung_at: utc_now(), Preview.attempts: 0})
    return bool(connection.execute(statement).rowcount)


def drop(connection: Connection, request_id: int) -> list[int]:
    """Let the export of a request not be imported, and be erased; a worker that is at it finds it in other hands."""
    is_it = or_(Preview.request_id == request_id, Preview.import_request_id == request_id)
    ended = {Preview.status: PreviewStatus.DROPPED, Preview.finished_at: utc_now(), Preview.rung_at: utc_now()}
    statement = update(Preview).where(is_it, ~IS_ENDED).values({**LEASE.end(), **ended})
    dropped = list(connection.scalars(statement.returning(Preview.id)))
    _settle(connection, dropped)
    return dropped


# Its end.


def expire(connection: Connection) -> int:
    """Let those go that nobody has wanted for a day; how many they were."""
    is_old = and_(Preview.status == PreviewStatus.READY, Preview.created_at <= utc_now(-DAY_SECONDS))
    ended = {Preview.status: PreviewStatus.EXPIRED, Preview.finished_at: utc_now(), Preview.rung_at: None}
    return connection.execute(update(Preview).where(is_old).values(ended)).rowcount  # its request was completed before


def mark_erased(connection: Connection, preview_id: int) -> None:
    """Record that its file is gone; what somebody wrote goes too, since the trail has it."""
    is_it = Preview.id == preview_id, IS_ENDED
    terms = connection.scalar(select(Preview.terms).where(*is_it)) or {}
    terms = {name: said for name, said in terms.items() if name != "reason"}
    connection.execute(update(Preview).where(*is_it).values(erased_at=utc_now(), terms=terms))


def list_awaited(connection: Connection) -> Sequence[str]:
    """The files that are still to be read."""
    return connection.scalars(select(Preview.arrival).where(~IS_ENDED)).all()


def _is_owned(preview_id: int, owner: str) -> ColumnElement[bool]:
    """The row, while `owner` still holds it: the fence of every write."""
    return and_(Preview.id == preview_id, LEASE.is_held_by(owner), Preview.status.in_(_UNDER_WAY))


def _back() -> dict[Any, Any]:
    """From a step under way to waiting for it."""
    is_read = Preview.status == PreviewStatus.RUNNING
    return {
        Preview.status: case(
            (is_read, PreviewStatus.QUEUED.value),
            (Preview.status == PreviewStatus.IMPORTING, PreviewStatus.ACCEPTED.value),
            else_=Preview.status,
        )
    }


def _end(connection: Connection, preview_id: int, owner: str, values: dict[Any, Any]) -> None:
    if connection.execute(update(Preview).where(_is_owned(preview_id, owner)).values(values)).rowcount != 1:
        raise LeaseLostError("the row has another owner")


def _refuse(connection: Connection, rows: Update, reason: str) -> bool:
    ended = {Preview.status: PreviewStatus.REFUSED, Preview.reason: reason, Preview.finished_at: utc_now()}
    refused = connection.scalars(rows.values({**LEASE.end(), **ended}).returning(Preview.id)).all()
    _settle(connection, refused)
    return bool(refused)


def _settle(connection: Connection, preview_ids: Sequence[int]) -> None:
    """Complete the requests of these previews, in the caller's transaction."""
    for column in (Preview.request_id, Preview.import_request_id):
        named = select(column).where(Preview.id.in_(preview_ids), column.is_not(None))
        is_it = Request.id.in_(named), Request.completed_at.is_(None)
        completed = update(Request).where(*is_it).values(completed_at=utc_now())
        rows = connection.execute(completed.returning(Request.id, Request.is_bulk, Request.turn)).all()
        add_works_of_end(connection, rows)
