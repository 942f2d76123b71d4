"""The answer to every event: accepted or refused, to whoever sent it, as soon as it is read.

It has a thread of its own: a mail server that is slow keeps no program waiting. An answer whose publication is not on
record leaves again, under the same id, when the lease of whoever tried is over; so does that of an event that came
again, since its sender may not have had the first.
"""

import threading
from collections import deque
from collections.abc import Sequence

import structlog
from sqlalchemy import Engine, or_, select, update
from sqlalchemy.orm import Session, selectinload

from common.logs import LogThrottle
from worker.db.notify import ReadySignal
from worker.db.types import utc_now
from worker.exports.models import Request
from worker.notifier.messages.events import PublishAnswer, answer_event

BATCH = 50
TROUBLE_SECONDS = 1
"""How long an absent database or broker is left alone."""

log = structlog.stdlib.get_logger(__name__)


class Answers:
    """Answers what no other notifier is answering; `lease_seconds` outlive the publication of BATCH events."""

    def __init__(self, engine: Engine, publish: PublishAnswer, *, lease_seconds: float) -> None:
        self._engine = engine
        self._publish = publish
        self._lease_seconds = lease_seconds

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; an absent database or broker is waited out."""
        signal, throttle = ReadySignal(self._engine), LogThrottle("answers")
        while not stop.is_set():
            try:
                signal.listen()
                if self.answer_waiting(stop):
                    signal.wait(stop)
                else:
                    stop.wait(TROUBLE_SECONDS)
                throttle.succeeded()
            except Exception as error:  # noqa: BLE001 — whatever it is, the next time may do better
                throttle.failed(error)
                stop.wait(TROUBLE_SECONDS)
        signal.close()

    def answer_waiting(self, stop: threading.Event) -> bool:
        """Answer all that waits now; False when the broker is away."""
        while not stop.is_set() and (claimed := self._claim()):
            if not self._answer(claimed):
                return False
        return True

    def _claim(self) -> Sequence[int]:
        is_free = or_(Request.answer_lease.is_(None), Request.answer_lease <= utc_now())
        waiting = (
            select(Request.id)
            .where(Request.announced_at.is_(None), is_free)
            .order_by(Request.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
            .cte("waiting")
        )
        is_waiting = Request.id.in_(select(waiting.c.id))
        claim = update(Request).where(is_waiting).values(answer_lease=utc_now(self._lease_seconds))
        with self._engine.begin() as connection:
            return sorted(connection.scalars(claim.returning(Request.id)))

    def _answer(self, claimed: Sequence[int]) -> bool:
        """Answer these; False when the broker is away. One that cannot be worded keeps its lease."""
        with Session(self._engine) as session:
            query = select(Request).where(Request.id.in_(claimed)).order_by(Request.id)
            requests = deque(session.scalars(query.options(selectinload(Request.exports))))
        answered: list[int] = []
        while requests and self._says(requests[0], answered):
            requests.popleft()
        with self._engine.begin() as connection:
            left, others = Request.id.in_(answered), Request.id.in_([request.id for request in requests])
            connection.execute(update(Request).where(left).values(announced_at=utc_now(), answer_lease=None))
            connection.execute(update(Request).where(others).values(answer_lease=None))
        return not requests

    def _says(self, request: Request, answered: list[int]) -> bool:
        with structlog.contextvars.bound_contextvars(correlation_id=request.correlation_id, request_id=request.id):
            try:
                event = answer_event(request)
            except Exception:
                log.exception("answer_failed")
                return True
            try:
                self._publish(event, request.sender)
            except Exception:
                log.warning("event_delayed", exc_info=True)
                return False
            answered.append(request.id)
            log.info("event_published", type=event.type)
            return True
