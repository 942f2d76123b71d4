"""Which requests wait to be told, and which notifier has one: a lease on the request's row, by the database's clock."""

import time
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, CursorResult, Engine, Select, and_, or_, select, update
from sqlalchemy.orm import aliased

from schemas.vocabulary import ExportStatus, RequestOutcome
from worker.db.types import utc_now
from worker.errors import LeaseLostError
from worker.exports.models import Export, Request
from worker.health import Beat, ignore

UNFINISHED = [status for status in ExportStatus if not status.is_terminal]

_FIRST_DELAY_SECONDS = 10
_LONGEST_DELAY_SECONDS = 600


class Claim(NamedTuple):
    """A request in one notifier's hands, how many times it was put off before, and what its log lines bear."""

    request_id: int
    attempts: int
    correlation_id: str

    @property
    def delay(self) -> float:
        """Seconds until the next try: 10, 20, 40 … 600."""
        return float(min(_FIRST_DELAY_SECONDS * 2 ** min(self.attempts, 10), _LONGEST_DELAY_SECONDS))


class Outbox:
    """The untold requests, for one notifier among many; `teller` names it, `lease_seconds` outlives one mail."""

    def __init__(self, engine: Engine, *, teller: str, lease_seconds: float, beat: Beat = ignore) -> None:
        self._engine = engine
        self._teller = teller
        self._lease_seconds = lease_seconds
        self._beat = beat
        self._renewed_at = 0.0

    def claim(self) -> Claim | None:
        """Take the oldest request that is settled, untold, due, and in nobody's hands; None when there is none."""
        statement = (
            update(Request)
            .where(Request.id == _oldest_due().scalar_subquery())
            .values(teller=self._teller, teller_lease=utc_now(self._lease_seconds))
            .returning(Request.id, Request.tell_attempts, Request.correlation_id)
        )
        self._renewed_at = time.monotonic()
        with self._engine.begin() as connection:
            row = connection.execute(statement).one_or_none()
        return Claim(*row) if row else None

    def renew(self, claim: Claim) -> None:
        """Give a sign of life and begin the lease anew, before something slow, unless most of it is left.

        Raises:
            LeaseLostError: another notifier has the request now.
        """
        self._beat("")
        if (now := time.monotonic()) > self._renewed_at + self._lease_seconds / 4:
            self._change(claim, teller_lease=utc_now(self._lease_seconds))
            self._renewed_at = now

    def mark_told(self, claim: Claim) -> None:
        """Record that everybody has been told.

        Raises:
            LeaseLostError: another notifier has the request now, and records it.
        """
        self._change(claim, told_at=utc_now(), teller=None, teller_lease=None)

    def postpone(self, claim: Claim) -> None:
        """Give the request back, for later.

        Raises:
            LeaseLostError: another notifier has the request now.
        """
        self._change(
            claim,
            tell_after=utc_now(claim.delay),
            tell_attempts=claim.attempts + 1,
            teller=None,
            teller_lease=None,
        )

    def _change(self, claim: Claim, **values: Any) -> None:  # noqa: ANN401 — columns of Request
        mine = and_(Request.id == claim.request_id, Request.teller == self._teller, Request.told_at.is_(None))
        with self._engine.begin() as connection:
            result: CursorResult[Any] = connection.execute(update(Request).where(mine).values(**values))
        if result.rowcount == 0:
            raise LeaseLostError(f"demande {claim.request_id} : un autre notificateur l'a prise")


def is_settled(request: type[Request]) -> ColumnElement[bool]:
    """Whether nothing more will happen to its files: it can be told."""
    exports = select(Export.id).where(Export.request_id == request.id).correlate(request)
    unfinished = exports.where(Export.status.in_(UNFINISHED))
    return or_(request.outcome == RequestOutcome.REFUSED, and_(exports.exists(), ~unfinished.exists()))


def _oldest_due() -> Select[int]:
    request = aliased(Request)
    return (
        select(request.id)
        .where(
            request.told_at.is_(None),
            or_(request.tell_after.is_(None), request.tell_after <= utc_now()),
            or_(request.teller_lease.is_(None), request.teller_lease <= utc_now()),
            is_settled(request),
        )
        .order_by(request.id)
        .limit(1)
        .with_for_update(of=request, skip_locked=True)
    )
