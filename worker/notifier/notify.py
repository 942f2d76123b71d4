"""The notifier: tells people, then programs, what became of each request, and reminds communes of their deadlines.

The road of one row: `Notifier` claims it (outbox.py); its use case (requests, their recalls, or reminders)
reads what there is to say and words it (messages/), lets it be sent to each recipient (dispatch.py, channels/),
publishes its events, and marks it notified or puts it off. What is done is recorded at once, and never done twice.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import ClassVar, Protocol

import structlog
from sqlalchemy import ColumnElement, Engine, Update, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from common.clock import jour_a_paris
from common.logs import LogThrottle
from schemas.envelope import CloudEvent
from schemas.vocabulary import ExportStatus
from worker.db.engine import Sessions
from worker.db.notify import ReadySignal
from worker.db.types import utc_now
from worker.errors import LeaseLostError
from worker.exports.models import WITHOUT_KEY, Export, Recall, Request
from worker.exports.records import mark_published, mark_recall_published
from worker.health import Beat, ignore
from worker.notifier.answers import Answers
from worker.notifier.channels.delivery import Message
from worker.notifier.dispatch import Dispatcher, Outcome, Subject
from worker.notifier.kinds import Wish
from worker.notifier.messages.deadlines import Deadline, describe_deadlines
from worker.notifier.messages.events import (
    PublishAnswer,
    deadline_event,
    file_event,
    recall_event,
    refusal_event,
    settled_event,
)
from worker.notifier.messages.recall import describe_recall
from worker.notifier.messages.request import RequestReport, describe_request
from worker.notifier.models import Reminder, ReminderEcheance
from worker.notifier.outbox import Claim, Outbox
from worker.registre.models import Commune

TROUBLE_SECONDS = 1
"""How long an absent database is left alone."""

STOP_SECONDS = 45
"""How long a stop waits for the background at most, less than the grace that containers are given: it can be killed."""

TOO_LATE = "échéance passée avant l'envoi"

_ANNOUNCED = (ExportStatus.READY, ExportStatus.FAILED, ExportStatus.CANCELLED)

Today = Callable[[], date]

log = structlog.stdlib.get_logger(__name__)


class Background(Protocol):
    """What the same process does besides notifying, and keeps nobody from being notified."""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, whatever goes wrong."""

    def step(self, stop: threading.Event) -> bool:
        """One step of what is due; True when there is more to do at once."""


class Notifier:
    """One notifier among any number of them; `beat` gives its signs of life."""

    def __init__(
        self,
        engine: Engine,
        use_cases: Sequence["Notifications"],
        background: Background | None = None,
        answers: Answers | None = None,
        *,
        beat: Beat = ignore,
    ) -> None:
        self._engine = engine
        self._use_cases = use_cases
        self._background = background
        self._answers = answers
        self._beat = beat

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; the background and the answers have threads of their own.

        An absent database is waited out.
        """
        threads = [_start(it.run, stop) for it in (self._background, self._answers) if it]
        signal, throttle = ReadySignal(self._engine), LogThrottle("notifier")
        while not stop.is_set():
            try:
                signal.listen()
                self.notify_waiting(stop)
                throttle.succeeded()
                self._beat("")
                signal.wait(stop)
            except Exception as error:  # noqa: BLE001 — whatever it is, the next time may do better
                throttle.failed(error)
                self._beat(f"le notificateur n'avance plus ({type(error).__name__}) : voir son journal")
                stop.wait(TROUBLE_SECONDS)
        signal.close()
        for thread in threads:
            thread.join(STOP_SECONDS)

    def work(self, stop: threading.Event) -> int:
        """One step of the background, the answers, then notify of all that waits now; returns of how many rows."""
        if self._background:
            self._background.step(stop)
        if self._answers:
            self._answers.answer_waiting(stop)
        return self.notify_waiting(stop)

    def notify_waiting(self, stop: threading.Event) -> int:
        """Notify of all that waits now; returns of how many rows everybody has been notified."""
        notified = 0
        for use_case in self._use_cases:
            while not stop.is_set() and (claim := use_case.outbox.claim()):
                notified += self._notify(use_case, claim)
        return notified

    def _notify(self, use_case: "Notifications", claim: Claim) -> bool:
        context = {use_case.log_key: claim.id} | (
            {"correlation_id": claim.correlation_id} if claim.correlation_id else {}
        )
        with structlog.contextvars.bound_contextvars(**context):
            try:
                return use_case.notify(claim)
            except LeaseLostError:
                log.warning("telling_taken_over")
            except Exception:
                log.exception("telling_failed")
                use_case.outbox.postpone(claim)
            return False


def _start(run: Callable[[threading.Event], None], stop: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=run, args=(stop,), name="background", daemon=True)
    thread.start()
    return thread


class Notifications(ABC):
    """The use case of the rows of one outbox; `publish` is None where no program listens to the exchange."""

    log_key: ClassVar[str]
    """What log lines call the row's number."""

    def __init__(
        self,
        sessions: Sessions,
        outbox: Outbox,
        dispatcher: Dispatcher,
        publish: PublishAnswer | None,
        *,
        public_url: str,
    ) -> None:
        self.outbox = outbox
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._publish = publish
        self._public_url = public_url

    @abstractmethod
    def notify(self, claim: Claim) -> bool:
        """Notify whoever is not yet; True when everybody is, else the row was put off.

        Raises:
            LeaseLostError: another notifier has taken the row over.
        """

    def _publish_missing(
        self, missing: Iterable[tuple[CloudEvent, Update]], before_each: Callable[[], None], account: str = ""
    ) -> bool:
        """Publish the events that have not left, each recorded at once by its update; False when one cannot leave now.

        `account`: whose request they answer. `before_each` may raise LeaseLostError.
        """
        if self._publish is None:
            return True
        for event, published in missing:
            before_each()
            try:
                self._publish(event, account)
            except Exception:
                log.warning("event_delayed", exc_info=True)
                return False
            with self._sessions.begin() as session:
                session.execute(published)
            log.info("event_published", type=event.type, export_id=event.data.get("export_id"))
        return True

    def _finish(self, claim: Claim, outcome: Outcome, *, is_published: bool) -> float | None:
        """Mark the row notified once nobody and nothing waits; else put it off: in how many seconds.

        Raises:
            LeaseLostError: another notifier has taken the row over.
        """
        if outcome.is_done and is_published:
            self.outbox.mark_notified(claim)
            return None
        seconds = outcome.delay if is_published else min(claim.delay, outcome.delay or claim.delay)
        self.outbox.postpone(claim, seconds)
        return seconds


class RequestNotifications(Notifications):
    """Of what became of a request: people first, then programs."""

    log_key = "request_id"

    def notify(self, claim: Claim) -> bool:
        """Notify of one request, as `Notifications` says."""
        with self._sessions() as session:
            report = _read_report(session, claim.id)
        request, renew = report.request, partial(self.outbox.renew, claim)
        with structlog.contextvars.bound_contextvars(commune=request.code_commune):
            outcome = self._dispatcher.deliver(
                Subject(request.code_commune, request_id=request.id),
                Message(
                    f"{request.source}\n{request.event_id}"
                    + (f"\n{request.payload_hash}" if request.code in WITHOUT_KEY else ""),
                    describe_request(report, self._public_url),
                    partial(_events, report),
                ),
                report.wishes,
                renew,
            )
            published = self._publish_missing(_missing_events(report), renew, request.sender)
            if not outcome.recipients:
                log.warning("nobody_to_tell")
            seconds = self._finish(claim, outcome, is_published=published)
            if seconds is None:
                log.info("told", recipients=outcome.recipients)
                return True
            waiting = outcome.mails_waiting + outcome.others_waiting
            log.warning("telling_postponed", waiting=waiting, published=published, seconds=round(seconds))
            return False


def _read_report(session: Session, request_id: int) -> RequestReport:
    """Everything at once, so that no transaction is open while mails are sent."""
    request = session.get_one(Request, request_id, options=[selectinload(Request.exports)])
    commune = session.get(Commune, request.code_commune)
    return RequestReport(request, commune.nom if commune else "")


def _events(report: RequestReport) -> list[CloudEvent]:
    """What there is to say to a program, of every file."""
    if report.is_refused:
        return [refusal_event(report.request)]
    return [file_event(report.request, export) for status in _ANNOUNCED for export in report.files(status)]


def _missing_events(report: RequestReport) -> Iterator[tuple[CloudEvent, Update]]:
    """Those that have not left yet, each with how to record that it has; of a refusal the answer says all."""
    if report.is_refused:
        return
    for export in (export for status in _ANNOUNCED for export in report.files(status)):
        if export.published_at is None:
            yield (
                file_event(report.request, export),
                mark_published(export.id),
            )
    if report.request.concluded_at is None:
        is_it = Request.id == report.request.id
        yield settled_event(report.request), update(Request).where(is_it).values(concluded_at=utc_now())


def today_in_france() -> date:
    """The day on which clerks are."""
    return jour_a_paris(datetime.now(UTC))


class RecallNotifications(Notifications):
    """Of files that are to be made again, after all that was to be said of them: programs first, then people."""

    log_key = "recall_id"

    def notify(self, claim: Claim) -> bool:
        """Notify of one recall, as `Notifications` says."""
        with self._sessions() as session:
            recall = session.get_one(Recall, claim.id)
            files = select(Export).where(Export.recall_id == recall.id).options(joinedload(Export.request))
            exports = session.scalars(files.order_by(Export.id)).all()
            lieu = _read_lieu(session, recall.code_commune)
        with structlog.contextvars.bound_contextvars(commune=recall.code_commune):
            events = [recall_event(recall, export) for export in exports]
            renew = partial(self.outbox.renew, claim)
            published = all(
                self._publish_missing([(event, mark_recall_published(export.id))], renew, export.request.sender)
                for export, event in zip(exports, events, strict=True)
                if export.recall_published_at is None
            )
            content = describe_recall(recall, exports, lieu=lieu, public_url=self._public_url)
            outcome = self._dispatcher.deliver(
                Subject(recall.code_commune, recall_id=recall.id),
                Message(f"recall\n{recall.id}", content, lambda: events),
                frozenset({Wish.READY, Wish.FAILED}),
                renew,
            )
            seconds = self._finish(claim, outcome, is_published=published)
            if seconds is None:
                log.info("recall_told", recipients=outcome.recipients)
                return True
            log.warning("recall_postponed", published=published, seconds=round(seconds))
            return False


def _read_lieu(session: Session, code_commune: str) -> str:
    """The commune as a clerk reads it."""
    commune = session.get(Commune, code_commune)
    return f"{commune.nom} ({code_commune})" if commune else code_commune


class ReminderNotifications(Notifications):
    """Of the deadlines of a commune, once, and never of a day that has passed: programs first, then people."""

    log_key = "reminder_id"

    def __init__(
        self,
        sessions: Sessions,
        outbox: Outbox,
        dispatcher: Dispatcher,
        publish: PublishAnswer | None,
        *,
        public_url: str,
        today: Today = today_in_france,
    ) -> None:
        super().__init__(sessions, outbox, dispatcher, publish, public_url=public_url)
        self._today = today

    def notify(self, claim: Claim) -> bool:
        """Remind of what is still to come, as `Notifications` says."""
        today = self._today()
        with self._sessions() as session:
            reminder = session.get_one(Reminder, claim.id)
            coming = _read_coming(session, reminder.id, today)
            lieu = _read_lieu(session, reminder.code_commune)
        with structlog.contextvars.bound_contextvars(commune=reminder.code_commune):
            subject = Subject(reminder.code_commune, reminder_id=reminder.id)
            if not coming:
                self._dispatcher.abandon(subject, TOO_LATE)
                self.outbox.mark_notified(claim)
                log.warning("reminder_too_late")
                return True
            content = describe_deadlines(
                [_deadline(row) for row in coming], lieu=lieu, today=today, public_url=self._public_url
            )
            events = [deadline_event(reminder.code_commune, reminder.day, _deadline(row)) for row in coming]
            message = Message(f"rappel\n{reminder.code_commune}\n{reminder.day}", content, lambda: events)
            renew = partial(self.outbox.renew, claim)
            published = self._publish_missing(_missing_reminder_events(coming, events), renew)
            outcome = self._dispatcher.deliver(subject, message, frozenset({Wish.DEADLINE}), renew)
            seconds = self._finish(claim, outcome, is_published=published)
            if seconds is None:
                log.info("reminded", recipients=outcome.recipients)
                return True
            log.warning("reminder_postponed", published=published, seconds=round(seconds))
            return False


def _missing_reminder_events(
    rows: Sequence[ReminderEcheance], events: Sequence[CloudEvent]
) -> Iterator[tuple[CloudEvent, Update]]:
    for row, event in zip(rows, events, strict=True):
        if row.published_at is None:
            yield event, update(ReminderEcheance).where(*_is(row)).values(published_at=utc_now())


def _read_coming(session: Session, reminder_id: int, today: date) -> Sequence[ReminderEcheance]:
    of_reminder = ReminderEcheance.reminder_id == reminder_id, ReminderEcheance.until >= today
    return session.scalars(
        select(ReminderEcheance).where(*of_reminder).order_by(ReminderEcheance.due_on, ReminderEcheance.echeance)
    ).all()


def _deadline(row: ReminderEcheance) -> Deadline:
    return Deadline(row.echeance, row.due_on, row.until, row.scrutin, row.libelle)


def _is(row: ReminderEcheance) -> tuple[ColumnElement[bool], ...]:
    return (
        ReminderEcheance.reminder_id == row.reminder_id,
        ReminderEcheance.echeance == row.echeance,
        ReminderEcheance.due_on == row.due_on,
        ReminderEcheance.days == row.days,
    )
