"""Events that name a request or deposit that is not recorded yet: stored until it is, or refused after a minute.

The cancellation of a whole request is not refused: the request may still wait in a queue. After the minute the event is
recorded as accepted, and its row here stays for KEPT_SECONDS; the request then ends cancelled when it arrives.

Messages overtake each other: several processes read one queue, and a retried message arrives later. So a worker may
read a `cancel` before its request, or a verdict before its deposit. The worker stores that event here, with a work of
kind `deferred` (worker/work). The event is then handled

- by the worker that records what the event names, at once, with AT_ONCE events at most;
- by the worker that stored the event, which checks again after its commit: one of the two workers sees the other;
- by a worker that claims its work, every CHECK_SECONDS. After CHECKS checks in vain the event is refused.

Checks are counted, not hours: while the database, the broker or every worker is away no event is refused. Once they are
back, the missing request or deposit has CHECK_SECONDS to arrive.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Engine,
    UniqueConstraint,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from schemas.checking import drop_defaults
from schemas.envelope import CloudEvent
from worker.db.engine import reading
from worker.db.types import Base, Id, Texte
from worker.work.queue import NewWork, Work, WorkKind, WorkState, add, subject_of, withdraw

CHECK_SECONDS, CHECKS = 30.0, 2
"""Their product is the 60 s that an event may wait for what it names, on the database's clock."""
AT_ONCE = 20
"""How many deferred events the handler of one message processes: the other messages wait meanwhile."""
KEPT_SECONDS = 7 * 86400.0
"""How long an accepted cancellation waits for its request."""


class DeferredEvent(Base):
    """An event that names a request or a deposit that is not recorded yet."""

    __tablename__ = "deferred_event"
    __table_args__ = (UniqueConstraint("sender", "source", "event_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    sender: Mapped[str] = mapped_column(Texte, doc="The account, by the broker.")
    source: Mapped[str] = mapped_column(Texte)
    event_id: Mapped[str] = mapped_column(Texte)
    event: Mapped[dict[str, Any]] = mapped_column(JSON, doc="The whole of it; gone with the row.")
    waits_for: Mapped[str] = mapped_column(Texte, index=True, doc="The key of what it names.")


class Arrival(NamedTuple):
    """A received event, and the account that sent it.

    `is_last`: the event is refused if what it names is still unknown.
    """

    event: CloudEvent
    sender: str
    is_last: bool = False


def hash_payload(event: CloudEvent) -> str:
    """Return the SHA-256, in hexadecimal, of the type and the data of an event, without order and default values."""
    said = json.dumps(
        [event.type, drop_defaults(event)],
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def request_key(source: str, event_id: str) -> str:
    """Return the key of an event that waits for a request."""
    return f"request\n{source}\n{event_id}"


def depot_key(export_id: int) -> str:
    """Return the key of an event that waits for the deposit of a file."""
    return f"depot\n{export_id}"


def defer(connection: Connection, arrival: Arrival, waits_for: str) -> bool:
    """Store an event until what it names is known; return False when it already waits for that key.

    Raises:
        IntegrityError: another worker stored a copy of the event at the same time.
    """
    mine = _is(arrival)
    known = connection.scalar(select(DeferredEvent.waits_for).where(mine).with_for_update())
    if known is None:
        _store(connection, arrival, waits_for, seconds=CHECK_SECONDS)
    elif known != waits_for:
        connection.execute(update(DeferredEvent).where(mine).values(waits_for=waits_for))
    return known != waits_for


def _store(connection: Connection, arrival: Arrival, waits_for: str, *, seconds: float) -> None:
    event = arrival.event
    row: dict[str, Any] = {
        "source": event.source,
        "event_id": event.id,
        "event": event.model_dump(mode="json"),
    }
    row |= {"sender": arrival.sender, "waits_for": waits_for}
    row_id = connection.execute(
        insert(DeferredEvent).values(row).returning(DeferredEvent.id)
    ).scalar_one()
    add(
        connection,
        [NewWork(WorkKind.DEFERRED, subject_of(WorkKind.DEFERRED, row_id))],
        seconds=seconds,
    )


def put_back(connection: Connection, arrival: Arrival) -> bool:
    """Store the event of a dead letter, so that the next sweep has it handled; return False if its key is taken."""
    waiting = read_waiting(connection, arrival)
    if not waiting:
        _store(connection, arrival, "", seconds=0)
    return waiting in {"", hash_payload(arrival.event)}


def read_waiting(connection: Connection, arrival: Arrival) -> str:
    """Return the hash of the payload that waits under the key of this event; empty if none waits."""
    row = connection.execute(select(DeferredEvent.event).where(_is(arrival))).one_or_none()
    return hash_payload(CloudEvent.model_validate(row.event)) if row else ""


def discard(connection: Connection, condition: Arrival | ColumnElement[bool]) -> int:
    """Delete the row of an event, or the rows of a condition, with their works; return the number of rows."""
    is_it = _is(condition) if isinstance(condition, Arrival) else condition
    deleted = connection.scalars(
        delete(DeferredEvent).where(is_it).returning(DeferredEvent.id)
    ).all()
    withdraw(connection, [WorkKind.DEFERRED], deleted)
    return len(deleted)


def count_waiting(connection: Connection, sender: str) -> int:
    """Return the number of deferred events of an account."""
    query = select(func.count()).select_from(DeferredEvent).where(DeferredEvent.sender == sender)
    return connection.scalar(query) or 0


def read_known(engine: Engine, keys: Sequence[str], most: int) -> list[Arrival]:
    """Return the oldest events that wait for these keys, the oldest last; the works of the others become due."""
    with reading(engine) as connection:
        query = (
            select(DeferredEvent.id)
            .where(DeferredEvent.waits_for.in_(keys))
            .order_by(DeferredEvent.id)
        )
        ids = connection.scalars(query).all()
        found = read_deferred(connection, DeferredEvent.id.in_(ids[:most])) if ids else []
    if left := [subject_of(WorkKind.DEFERRED, it) for it in ids[most:]]:
        with engine.begin() as connection:
            are_due = (
                Work.kind == WorkKind.DEFERRED,
                Work.subject.in_(left),
                Work.state == WorkState.DUE,
            )
            connection.execute(update(Work).where(*are_due).values(due_at=None))
    return found


def read_deferred(
    connection: Connection, condition: ColumnElement[bool], *, is_last: bool = False
) -> list[Arrival]:
    """Return the events of these rows, the oldest last; none for a row that no longer waits."""
    columns = DeferredEvent.event, DeferredEvent.sender
    rows = connection.execute(select(*columns).where(condition).order_by(DeferredEvent.id.desc()))
    return [Arrival(CloudEvent.model_validate(it.event), it.sender, is_last) for it in rows]


def _is(arrival: Arrival) -> ColumnElement[bool]:
    event, row = arrival.event, DeferredEvent
    return and_(row.sender == arrival.sender, row.source == event.source, row.event_id == event.id)
