"""Events that name what is not known yet: each waits in a row, until that arrives or its patience is at its end.

Messages overtake each other: several processes read one queue, and a retry comes later than what followed it. So a
`cancel` may be read before its request, a verdict before its deposit. It waits here, and is taken up

- by whoever records what it names, at once;
- by the worker that parked it, which looks again once the row is there: of the two, one at least sees the other;
- when it is due, after LOOK_SECONDS: the sweep tells a worker to look. After LOOKS looks in vain it is refused.

Looks are counted, not hours: while the database, the broker or every worker is away nobody's patience runs out, and
what is named has LOOK_SECONDS to arrive once they are back.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import datetime
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
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from schemas.envelope import CloudEvent
from worker.db.types import Base, Texte, UtcDateTime, utc_now

LOOK_SECONDS, LOOKS = 30.0, 2
"""Together the 60 s that an event may wait for what it names, on the database's clock."""


class Parked(Base):
    """An event that names a request or a deposit that is not known yet."""

    __tablename__ = "parked"
    __table_args__ = (UniqueConstraint("sender", "source", "event_id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    sender: Mapped[str] = mapped_column(Texte, doc="The account, by the broker.")
    source: Mapped[str] = mapped_column(Texte)
    event_id: Mapped[str] = mapped_column(Texte)
    event: Mapped[dict[str, Any]] = mapped_column(JSON, doc="The whole of it; gone with the row.")
    reply_to: Mapped[str] = mapped_column(Texte, default="", server_default="", doc="As of a request.")
    waits_for: Mapped[str] = mapped_column(Texte, index=True, doc="The key of what it names.")
    looks: Mapped[int] = mapped_column(Integer, default=0, server_default="0", doc="In vain, when it was due.")
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, doc="When to look again.")
    rung_at: Mapped[datetime | None] = mapped_column(UtcDateTime, doc="When a worker was last told to look.")


class Arrival(NamedTuple):
    """An event to be served, and the account that sent it; `is_last`: it has waited long enough.

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


def park(connection: Connection, arrival: Arrival, waits_for: str) -> bool:
    """Let an event wait; False when it waits for that very thing already.

    Raises:
        IntegrityError: a copy of it was parked at the same time.
    """
    event, mine = arrival.event, _is(arrival)
    known = connection.scalar(select(Parked.waits_for).where(mine).with_for_update())
    if known == waits_for:
        return False
    if known is None:
        identity = {"sender": arrival.sender, "source": event.source, "event_id": event.id}
        body = event.model_dump(mode="json")
        row = identity | {"event": body, "waits_for": waits_for, "due_at": utc_now(LOOK_SECONDS)}
        row |= {"reply_to": arrival.reply_to}
        connection.execute(insert(Parked).values(row))
    else:
        connection.execute(update(Parked).where(mine).values(waits_for=waits_for))
    return True


def stands_for_another(connection: Connection, arrival: Arrival) -> bool:
    """Whether another event under the same key waits: the first that came has it."""
    row = connection.execute(select(Parked.event).where(_is(arrival))).one_or_none()
    return row is not None and hash_payload(CloudEvent.model_validate(row.event)) != hash_payload(arrival.event)


def unpark(connection: Connection, arrival: Arrival) -> None:
    """Forget an event, in the transaction that records it."""
    connection.execute(delete(Parked).where(_is(arrival)))


def find_waiting(engine: Engine, keys: Collection[str]) -> list[Arrival]:
    """The events that wait for one of these, the oldest last."""
    columns = Parked.event, Parked.sender, Parked.reply_to
    query = select(*columns).where(Parked.waits_for.in_(keys)).order_by(Parked.id.desc())
    with engine.connect() as connection:
        return [
            Arrival(CloudEvent.model_validate(event), sender, reply_to=reply_to)
            for event, sender, reply_to in connection.execute(query)
        ]


def begin_look(engine: Engine, parked_id: int) -> Arrival | None:
    """An event that is due, and whether this is its last look; None when it is not due, or does not wait any more."""
    statement = (
        update(Parked)
        .where(Parked.id == parked_id, Parked.due_at <= utc_now())
        .values(looks=Parked.looks + 1, due_at=utc_now(LOOK_SECONDS), rung_at=None)
        .returning(Parked.event, Parked.sender, Parked.looks, Parked.reply_to)
    )
    with engine.begin() as connection:
        row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    return Arrival(CloudEvent.model_validate(row.event), row.sender, row.looks >= LOOKS, row.reply_to)


def mark_due(connection: Connection, *, grace_seconds: float, limit: int) -> list[int]:
    """Take the rows that are due, the oldest first; they are marked, so that no other sweep takes them too."""
    due = (
        select(Parked.id)
        .where(Parked.due_at <= utc_now(), or_(Parked.rung_at.is_(None), Parked.rung_at <= utc_now(-grace_seconds)))
        .order_by(Parked.due_at, Parked.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    statement = update(Parked).where(Parked.id.in_(select(due.c.id))).values(rung_at=utc_now())
    return sorted(connection.scalars(statement.returning(Parked.id)))


def take_back_look(engine: Engine, parked_ids: Sequence[int]) -> None:
    """Take back that workers were told, since the broker was away: the next sweep tells them."""
    with engine.begin() as connection:
        connection.execute(update(Parked).where(Parked.id.in_(parked_ids)).values(rung_at=None))


def _is(arrival: Arrival) -> ColumnElement[bool]:
    event = arrival.event
    return and_(Parked.sender == arrival.sender, Parked.source == event.source, Parked.event_id == event.id)
