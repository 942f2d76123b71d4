"""Events that name what is not known yet: each is stored until that is known, or is refused after a minute.

Messages overtake each other: several processes read one queue, and a retry comes later than what followed it. So a
`cancel` may be read before its request, a verdict before its deposit. It is stored here, with a work of kind
`deferred` (worker/work), and is handled

- by the worker that records what it names, at once;
- by the worker that has stored it, which checks again once the row is committed: one of the two sees the other;
- by a worker that claims its work, every CHECK_SECONDS. After CHECKS checks in vain it is refused.

Checks are counted, not hours: while the database, the broker or every worker is away no event is refused, and what is
named has CHECK_SECONDS to arrive once they are back.
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
"""Together the 60 s that an event may wait for what it names, on the database's clock."""


class DeferredEvent(Base):
    """An event that names a request or a deposit that is not known yet."""

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
    """A received event, and the account that sent it; `is_last`: it is refused if what it names is still unknown.

    `reply_to`: where else its sender wants the answer.
    """

    event: CloudEvent
    sender: str
    is_last: bool = False
    reply_to: str = ""


def hash_payload(event: CloudEvent) -> str:
    """SHA-256, in hexadecimal, of what an event says: its type and its data, whatever the order of their fields."""
    said = json.dumps([event.type, event.data], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def request_key(source: str, event_id: str) -> str:
    """What an event waits for that names a request."""
    return f"request\n{source}\n{event_id}"


def depot_key(export_id: int) -> str:
    """What an event waits for that names the deposit of a file."""
    return f"depot\n{export_id}"


def defer(connection: Connection, arrival: Arrival, waits_for: str) -> bool:
    """Store an event until what it names is known; False when it waits for that key already.

    Raises:
        IntegrityError: a copy of it was stored at the same time.
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
    """Whether another event under the same key waits: the first that came has it."""
    row = connection.execute(select(DeferredEvent.event).where(_is(arrival))).one_or_none()
    return row is not None and hash_payload(CloudEvent.model_validate(row.event)) != hash_payload(arrival.event)


def discard(connection: Connection, condition: Arrival | ColumnElement[bool]) -> None:
    """Delete the row of an event, or the rows of a condition, in the caller's transaction."""
    is_it = _is(condition) if isinstance(condition, Arrival) else condition
    deleted = connection.scalars(delete(DeferredEvent).where(is_it).returning(DeferredEvent.id))
    withdraw(connection, [WorkKind.DEFERRED], deleted.all())


def find_waiting(engine: Engine, keys: Collection[str]) -> list[Arrival]:
    """The events that wait for one of these keys, the oldest last."""
    with engine.connect() as connection:
        return _read(connection, DeferredEvent.waits_for.in_(keys))


def read_deferred(connection: Connection, deferred_id: int, *, is_last: bool) -> list[Arrival]:
    """One event; none when it waits no more."""
    return [it._replace(is_last=is_last) for it in _read(connection, DeferredEvent.id == deferred_id)]


def _read(connection: Connection, condition: ColumnElement[bool]) -> list[Arrival]:
    columns = DeferredEvent.event, DeferredEvent.sender, DeferredEvent.reply_to
    rows = connection.execute(select(*columns).where(condition).order_by(DeferredEvent.id.desc()))
    return [Arrival(CloudEvent.model_validate(it.event), it.sender, reply_to=it.reply_to) for it in rows]


def _is(arrival: Arrival) -> ColumnElement[bool]:
    event, row = arrival.event, DeferredEvent
    return and_(row.sender == arrival.sender, row.source == event.source, row.event_id == event.id)
