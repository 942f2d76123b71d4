"""Events that name a request or deposit that is not recorded yet: stored until it is, or refused after a minute.

Messages overtake each other: several processes read one queue, and a retried message arrives later. So a worker may
read a `cancel` before its request, or a verdict before its deposit. The worker stores that event here, with a work of
kind `deferred` (worker/work). The event is then handled

- by the worker that records what the event names, at once;
- by the worker that stored the event, which checks again after its commit: one of the two workers sees the other;
- by a worker that claims its work, every CHECK_SECONDS. After CHECKS checks in vain the event is refused.

Checks are counted, not hours: while the database, the broker or every worker is away no event is refused. Once they are
back, the missing request or deposit has CHECK_SECONDS to arrive.
"""

import hashlib
import json
from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    UniqueConstraint,
    and_,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from schemas.envelope import CloudEvent
from worker.db.types import Base, Texte
from worker.work.models import WorkKind, subject_of
from worker.work.queue import NewWork, add, withdraw

CHECK_SECONDS, CHECKS = 30.0, 2
"""Their product is the 60 s that an event may wait for what it names, on the database's clock."""


class DeferredEvent(Base):
    """An event that names a request or a deposit that is not recorded yet."""

    __tablename__ = "deferred_event"
    __table_args__ = (UniqueConstraint("sender", "source", "event_id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    sender: Mapped[str] = mapped_column(Texte, doc="The account, by the broker.")
    source: Mapped[str] = mapped_column(Texte)
    event_id: Mapped[str] = mapped_column(Texte)
    event: Mapped[dict[str, Any]] = mapped_column(JSON, doc="The whole of it; gone with the row.")
    reply_to: Mapped[str] = mapped_column(Texte, default="", server_default="", doc="As of a request.")
    waits_for: Mapped[str] = mapped_column(Texte, index=True, doc="The key of what it names.")


class Arrival(NamedTuple):
    """A received event, and the account that sent it.

    `is_last`: the event is refused if what it names is still unknown. `reply_to`: a second address for the reply.
    """

    event: CloudEvent
    sender: str
    is_last: bool = False
    reply_to: str = ""


def hash_payload(event: CloudEvent) -> str:
    """Return the SHA-256, in hexadecimal, of the type and the data of an event, whatever the order of their fields."""
    said = json.dumps([event.type, event.data], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
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
    event, mine = arrival.event, _is(arrival)
    known = connection.scalar(select(DeferredEvent.waits_for).where(mine).with_for_update())
    if known == waits_for:
        return False
    if known is not None:
        connection.execute(update(DeferredEvent).where(mine).values(waits_for=waits_for))
        return True
    row: dict[str, Any] = {
        "sender": arrival.sender,
        "source": event.source,
        "event_id": event.id,
        "reply_to": arrival.reply_to,
    }
    row |= {"event": event.model_dump(mode="json"), "waits_for": waits_for}
    row_id = connection.execute(insert(DeferredEvent).values(row).returning(DeferredEvent.id)).scalar_one()
    check = NewWork(WorkKind.DEFERRED, subject_of(WorkKind.DEFERRED, row_id))
    add(connection, [check], seconds=CHECK_SECONDS)
    return True


def stands_for_another(connection: Connection, arrival: Arrival) -> bool:
    """Return whether an event with the same key but another payload already waits."""
    row = connection.execute(select(DeferredEvent.event).where(_is(arrival))).one_or_none()
    return row is not None and hash_payload(CloudEvent.model_validate(row.event)) != hash_payload(arrival.event)


def discard(connection: Connection, condition: Arrival | ColumnElement[bool]) -> None:
    """Delete the row of an event, or the rows of a condition, with their works, in the caller's transaction."""
    is_it = _is(condition) if isinstance(condition, Arrival) else condition
    deleted = connection.scalars(delete(DeferredEvent).where(is_it).returning(DeferredEvent.id))
    withdraw(connection, [WorkKind.DEFERRED], deleted.all())


def find_waiting(engine: Engine, keys: Collection[str]) -> list[Arrival]:
    """Return the events that wait for one of these keys, the oldest last."""
    with engine.connect() as connection:
        return _read(connection, DeferredEvent.waits_for.in_(keys))


def read_deferred(connection: Connection, deferred_id: int, *, is_last: bool) -> list[Arrival]:
    """Return the event of a row; an empty list when it no longer waits."""
    return [it._replace(is_last=is_last) for it in _read(connection, DeferredEvent.id == deferred_id)]


def _read(connection: Connection, condition: ColumnElement[bool]) -> list[Arrival]:
    columns = DeferredEvent.event, DeferredEvent.sender, DeferredEvent.reply_to
    rows = connection.execute(select(*columns).where(condition).order_by(DeferredEvent.id.desc()))
    return [Arrival(CloudEvent.model_validate(it.event), it.sender, reply_to=it.reply_to) for it in rows]


def _is(arrival: Arrival) -> ColumnElement[bool]:
    event, row = arrival.event, DeferredEvent
    return and_(row.sender == arrival.sender, row.source == event.source, row.event_id == event.id)
