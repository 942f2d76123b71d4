"""Which requests and reminders wait to be notified of, and which notifier has one: a lease, by the database's clock."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Select,
    Update,
    and_,
    bindparam,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import aliased

from worker.db.types import utc_now
from worker.errors import LeaseLostError
from worker.exports.lease import Lease
from worker.exports.models import Export, Recall, Request
from worker.health import Beat, ignore
from worker.notifier.channels.delivery import backoff
from worker.notifier.models import Reminder

NotifiedTable = type[Request] | type[Reminder] | type[Recall]


class Claim(NamedTuple):
    """A row in one notifier's hands, how many times it was put off before, and what its log lines bear."""

    id: int
    attempts: int
    correlation_id: str
    traceparent: str

    @property
    def delay(self) -> float:
        """Seconds until the next try: 10, 20, 40 … 600."""
        return backoff(self.attempts)

    @property
    def delay_away(self) -> float:
        """The same where the broker or the database went away."""
        return backoff(self.attempts, is_away=True)


class Outbox:
    """The rows of a table that wait, for one notifier among many.

    `owner` names the notifier, `lease_seconds` outlives one message.
    """

    def __init__(
        self, engine: Engine, *, owner: str, lease_seconds: float, beat: Beat = ignore, table: NotifiedTable = Request
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._beat = beat
        self._table = table
        self._lease = Lease(table.teller, table.teller_lease)
        self._renewed_at: dict[int, float] = {}
        of_request = (table.correlation_id, table.traceparent) if table is Request else (literal(""), literal(""))
        due = _oldest_due(table, owner).cte("due")
        self._take = (
            update(table)
            .where(table.id.in_(select(due.c.id)))
            .values(self._lease.take(owner, lease_seconds))
            .returning(table.id, table.tell_attempts, *of_request, *_order(table))
        )

    def claim(self, limit: int = 1, *, takes_up: bool = False) -> Sequence[Claim]:
        """Take the first rows that are settled, not notified of, due, and in nobody's hands, in their order.

        Batches come last, and each account has its turn (worker.exports.lease). `takes_up`: those in our own hands too,
        which were let go of when the database went away; without it not even those whose lease has run out.
        """
        now = time.monotonic()
        with self._engine.begin() as connection:
            claimed = connection.execute(self._take, {"number": limit, "takes_up": takes_up})
            rows = sorted(claimed, key=lambda row: row[len(Claim._fields) :])
        claims = [Claim(*row[: len(Claim._fields)]) for row in rows]
        self._renewed_at = {claim.id: now for claim in claims}
        return claims

    def renew(self, *claims: Claim) -> None:
        """Give a sign of life and begin the leases anew, before something slow, unless most of them is left.

        Raises:
            LeaseLostError: another notifier has one of the rows now.
        """
        self._beat("")
        now = time.monotonic()
        late = [it for it in claims if now > self._renewed_at.get(it.id, -math.inf) + self._lease_seconds / 4]
        if not late:
            return
        with self._engine.begin() as connection:
            mine = self._change(connection, late, self._lease.renew(self._lease_seconds))
        self._renewed_at |= {claim.id: now for claim in mine}
        if len(mine) < len(late):
            raise LeaseLostError("un autre notificateur l'a pris")

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Let whoever comes next have these rows, which nothing was done for."""
        with self._engine.begin() as connection:
            self._change(connection, claims, self._lease.end())

    def end(self, ends: Mapping[Claim, float | None], *marks: Update) -> Sequence[Claim]:
        """Record who has been notified, where there is no delay, and put the others off by so many seconds.

        Those that were still ours are returned; of the others another notifier records it. The marks are recorded with
        it, whoever has the rows.
        """
        told = [claim for claim, seconds in ends.items() if seconds is None]
        with self._engine.begin() as connection:
            for mark in marks:
                connection.execute(mark)
            mine = self._change(connection, told, self._lease.end(), told_at=utc_now())
            for claim, seconds in ends.items():
                if seconds is not None:
                    later = {"tell_after": utc_now(seconds), "tell_attempts": claim.attempts + 1}
                    mine += self._change(connection, [claim], self._lease.end(), **later)
        return mine

    def _change(
        self,
        connection: Connection,
        claims: Sequence[Claim],
        lease: Mapping[Any, Any],
        **others: Any,  # noqa: ANN401 — columns
    ) -> list[Claim]:
        """Those that are ours, whose rows are changed."""
        table, ids = self._table, [claim.id for claim in claims]
        if not ids:
            return []
        mine = and_(table.id.in_(ids), self._lease.is_held_by(self._owner), table.told_at.is_(None))
        changed = set(connection.scalars(update(table).where(mine).values({**lease, **others}).returning(table.id)))
        return [claim for claim in claims if claim.id in changed]


def give_back_all(connection: Connection) -> None:
    """Let every row wait that an earlier process had; only where nobody else can be at work (the embedded mode)."""
    for table in (Request, Recall, Reminder):
        lease = Lease(table.teller, table.teller_lease)
        connection.execute(update(table).where(table.teller.is_not(None), table.told_at.is_(None)).values(lease.end()))


def follows_what_was_said(recall: type[Recall]) -> ColumnElement[bool]:
    """Whether people and programs have heard of all of its files: nobody learns last that one is ready."""
    untold = (
        select(Export.id)
        .join(Request, Request.id == Export.request_id)
        .where(Export.recall_id == recall.id, Request.told_at.is_(None))
        .correlate(recall)
    )
    return ~untold.exists()


def _may_be_said(table: NotifiedTable, row: Any) -> ColumnElement[bool]:  # noqa: ANN401 — an alias of the table
    if table is Request:
        return row.settled_at.is_not(None)  # type: ignore[no-any-return]
    return follows_what_was_said(row) if table is Recall else true()


def _order(table: Any) -> Sequence[Any]:  # noqa: ANN401 — a table or an alias of it
    return (table.is_bulk, table.turn, table.id) if hasattr(table, "turn") else (table.id,)


def _oldest_due(table: NotifiedTable, owner: str) -> Select[int]:
    row: Any = aliased(table)
    lease = Lease(row.teller, row.teller_lease)
    is_anybodys = and_(lease.is_free(), row.teller.is_distinct_from(owner))
    return (
        select(row.id)
        .where(
            row.told_at.is_(None),
            or_(row.tell_after.is_(None), row.tell_after <= utc_now()),
            or_(is_anybodys, and_(bindparam("takes_up", type_=Boolean), lease.is_held_by(owner))),
            _may_be_said(table, row),
        )
        .order_by(*_order(row))
        .limit(bindparam("number", type_=Integer))
        .with_for_update(of=row, skip_locked=True)
    )
