"""The answer to every event: accepted or refused, to whoever sent it, as soon as it is read; and how far its files are.

It has a thread of its own: a mail server that is slow keeps no program waiting. An answer whose publication is not on
record leaves again, under the same id, when the lease of whoever tried is over; so does that of an event that came
again, since its sender may not have had the first.
"""

import math
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Engine, or_, select, update
from sqlalchemy.orm import Session, selectinload

from common.logs import LogThrottle, request_keys
from schemas.envelope import CloudEvent, trace_id_of
from schemas.vocabulary import ExportStatus
from worker.db.engine import ReadySignal
from worker.db.types import utc_now
from worker.errors import EventsDelayedError
from worker.exports.models import Export, Request
from worker.health import Supervised
from worker.notifier.messages.events import AnsweredEvent, PublishEvents, ReplyEvent, answer_event, progress_event

BATCH = 50
PROGRESS_SECONDS = 1.0
TROUBLE_SECONDS = 1
"""How long an absent database or broker is left alone."""

log = structlog.stdlib.get_logger(__name__)


class ProgressEvents:
    """Says how far files are, each second, to those who asked for it; what cannot be said now never is.

    Who has it said so is on record before it is published, so that of several notifiers one says it.
    """

    def __init__(self, engine: Engine, publish: PublishEvents) -> None:
        self._engine = engine
        self._publish = publish

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; an absent database or broker is waited out."""
        throttle = LogThrottle("progress")
        while not stop.wait(PROGRESS_SECONDS):
            try:
                self.say()
                throttle.succeeded()
            except Exception as error:  # noqa: BLE001 — whatever it is, the next time may do better
                throttle.failed(error)

    def say(self) -> None:
        """Publish an event for each file that is being made, of requests that nothing was said of for a second."""
        with Session(self._engine) as session, session.begin():
            is_due = Request.settled_at.is_(None), Request.progress_at <= utc_now(-PROGRESS_SECONDS)
            moves = Request.exports.any(Export.status == ExportStatus.RUNNING)
            due = select(Request).where(Request.progress_at.is_not(None), *is_due, moves).order_by(Request.id)
            due = due.limit(BATCH).with_for_update(skip_locked=True).options(selectinload(Request.exports))
            now = datetime.now(UTC)
            said: list[AnsweredEvent] = []
            for request in session.scalars(due):
                running = [export for export in request.exports if export.status == ExportStatus.RUNNING]
                said += [(progress_event(request, export, now), request.sender) for export in running]
                session.execute(update(Request).where(Request.id == request.id).values(progress_at=utc_now()))
        if said:
            self._publish(said)


class Answers(Supervised):
    """Answers what no other notifier is answering; `lease_seconds` outlive the publication of BATCH events.

    `reply` tells the channel that asked besides, as well as it can: whoever left has the answer by his queue.
    """

    stuck = "le notificateur n'avance plus (réponses) : voir son journal"

    def __init__(
        self,
        engine: Engine,
        publish: PublishEvents,
        *,
        lease_seconds: float,
        reply: ReplyEvent = lambda _event, _reply_to: None,
    ) -> None:
        super().__init__()
        self._reply = reply
        self._engine = engine
        self._publish = publish
        self._lease_seconds = lease_seconds

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; an absent database or broker is waited out."""
        signal, throttle = ReadySignal(self._engine), LogThrottle("answers")
        while not stop.is_set():
            self.last_sign = time.monotonic()
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
        self.last_sign = math.inf

    def answer_waiting(self, stop: threading.Event) -> bool:
        """Answer all that waits now; False when the broker is away."""
        while not stop.is_set() and (claimed := self._claim()):
            if math.isfinite(self.last_sign):  # else nobody waits for its signs
                self.last_sign = time.monotonic()
            if not self._answer(claimed):
                return False
        return True

    def _claim(self) -> Sequence[int]:
        is_free = or_(Request.answer_lease.is_(None), Request.answer_lease <= utc_now())
        waiting = (
            select(Request.id)
            .where(Request.announced_at.is_(None), is_free)
            .order_by(Request.is_bulk, Request.id)
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
            requests = session.scalars(query.options(selectinload(Request.exports))).all()
        worded = [(request, event) for request in requests if (event := _word(request))]
        number = self._say([(event, request.sender) for request, event in worded])
        for request, event in worded[:number]:
            if request.reply_to:
                self._reply(event, request.reply_to)
            log.info("event_published", type=event.type, **_log_keys(request))
        with self._engine.begin() as connection:
            answered, others = ([request.id for request, _ in part] for part in (worded[:number], worded[number:]))
            left = update(Request).where(Request.id.in_(answered))
            connection.execute(left.values(announced_at=utc_now(), answer_lease=None))
            connection.execute(update(Request).where(Request.id.in_(others)).values(answer_lease=None))
        return not others

    def _say(self, said: Sequence[AnsweredEvent]) -> int:
        """Publish these together: how many have left, from the first on."""
        try:
            self._publish(said)
        except Exception as trouble:
            log.warning("event_delayed", exc_info=True)
            return trouble.left if isinstance(trouble, EventsDelayedError) else 0
        return len(said)


def _word(request: Request) -> CloudEvent | None:
    try:
        return answer_event(request)
    except Exception:
        log.exception("answer_failed", **_log_keys(request))
        return None


def _log_keys(request: Request) -> dict[str, Any]:
    return request_keys(request.correlation_id, trace_id_of(request.traceparent)) | {"request_id": request.id}
