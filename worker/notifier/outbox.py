"""Which requests and reminders wait to be notified of, and which notifier has one: a lease, by the database's clock."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, CursorResult, Engine, Select, and_, literal, or_, select, true, update
from sqlalchemy.orm import aliased

from schemas.vocabulary import RequestOutcome
from worker.db.types import utc_now
from worker.errors import LeaseLostError
from worker.exports.lease import Lease
from worker.exports.models import Export, Recall, Request
from worker.exports.records import IS_UNFINISHED
from worker.health import Beat, ignore
from worker.notifier.channels.delivery import backoff
from worker.notifier.models import Reminder

NotifiedTable = type[Request] | type[Reminder] | type[Recall]


class Claim(NamedTuple):
    """A row in one notifier's hands, how many times it was put off before, and what its log lines bear."""

    id: int
    attempts: int
    correlation_id: str

    @property
    def delay(self) -> float:
        """Seconds until the next try: 10, 20, 40 … 600."""
        return backoff(self.attempts)


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
        self._renewed_at = 0.0

    def claim(self) -> Claim | None:
        """Take the oldest row that is settled, not notified of, due, and in nobody's hands; None when there is none."""
        table = self._table
        correlation = table.correlation_id if table is Request else literal("")
        statement = (
            update(table)
            .where(table.id == _oldest_due(table).scalar_subquery())
            .values(self._lease.take(self._owner, self._lease_seconds))
            .returning(table.id, table.tell_attempts, correlation)
        )
        self._renewed_at = time.monotonic()
        with self._engine.begin() as connection:
            row = connection.execute(statement).one_or_none()
        return Claim(*row) if row else None

    def renew(self, claim: Claim) -> None:
        """Give a sign of life and begin the lease anew, before something slow, unless most of it is left.

        Raises:
            LeaseLostError: another notifier has the row now.
        """
        self._beat("")
        if (now := time.monotonic()) > self._renewed_at + self._lease_seconds / 4:
            self._change(claim, self._lease.renew(self._lease_seconds))
            self._renewed_at = now

    def mark_notified(self, claim: Claim) -> None:
        """Record that everybody has been notified.

        Raises:
            LeaseLostError: another notifier has the row now, and records it.
        """
        self._change(claim, self._lease.end(), told_at=utc_now())

    def postpone(self, claim: Claim, seconds: float | None = None) -> None:
        """Give the row back, for later: in so many seconds, or in longer and longer ones.

        Raises:
            LeaseLostError: another notifier has the row now.
        """
        self._change(
            claim,
            self._lease.end(),
            tell_after=utc_now(claim.delay if seconds is None else seconds),
            tell_attempts=claim.attempts + 1,
        )

    def _change(self, claim: Claim, lease: Mapping[Any, Any], **others: Any) -> None:  # noqa: ANN401 — columns
        table = self._table
        mine = and_(table.id == claim.id, self._lease.is_held_by(self._owner), table.told_at.is_(None))
        with self._engine.begin() as connection:
            result: CursorResult[Any] = connection.execute(update(table).where(mine).values({**lease, **others}))
        if result.rowcount == 0:
            raise LeaseLostError(f"{table.__tablename__} {claim.id} : un autre notificateur l'a pris")


def is_settled(request: type[Request]) -> ColumnElement[bool]:
    """Whether nothing more will happen to its files: it can be notified of."""
    exports = select(Export.id).where(Export.request_id == request.id).correlate(request)
    unfinished = exports.where(IS_UNFINISHED)
    return or_(request.outcome == RequestOutcome.REFUSED, and_(exports.exists(), ~unfinished.exists()))


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
        return is_settled(row)
    return follows_what_was_said(row) if table is Recall else true()


def _oldest_due(table: NotifiedTable) -> Select[int]:
    row: Any = aliased(table)
    return (
        select(row.id)
        .where(
            row.told_at.is_(None),
            or_(row.tell_after.is_(None), row.tell_after <= utc_now()),
            Lease(row.teller, row.teller_lease).is_free(),
            _may_be_said(table, row),
        )
        .order_by(row.id)
        .limit(1)
        .with_for_update(of=row, skip_locked=True)
    )
