"""The notifier: tells people, then programs, what became of each request, and reminds communes of their deadlines.

The road of a row: `Notifier` claims it (outbox.py), a few requests together; its use case (requests, their recalls, or
reminders) reads what there is to say and words it (messages/), lets it be sent to each recipient (dispatch.py,
channels/), publishes its events, and marks it notified or puts it off. What is done is recorded within half a second:
whoever takes the place of one that was killed before does it again, under the same ids.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, ClassVar, NamedTuple, Protocol

import structlog
from sqlalchemy import ColumnElement, Engine, Update, or_, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from common.calendrier import civil_day, now
from common.logs import LogThrottle, request_keys
from schemas.envelope import CloudEvent, trace_id_of
from schemas.vocabulary import ExportStatus, Wish
from worker.arrivals import Preview
from worker.db.engine import ReadySignal, Sessions
from worker.db.types import utc_now
from worker.error_policy import is_waited_for
from worker.errors import EventsDelayedError, LeaseLostError
from worker.exports.models import WITHOUT_KEY, Export, Recall, Request
from worker.exports.records import mark_published, mark_recall_published
from worker.health import Beat, ignore
from worker.notifier.answers import Answers, ProgressEvents
from worker.notifier.channels.delivery import Message
from worker.notifier.dispatch import About, Dispatcher, Outcome, Parcel
from worker.notifier.messages.content import Content
from worker.notifier.messages.deadlines import Deadline, describe_deadlines
from worker.notifier.messages.events import (
    AnsweredEvent,
    PublishEvents,
    deadline_event,
    file_event,
    recall_event,
    refusal_event,
    registre_event,
    settled_event,
)
from worker.notifier.messages.registre import describe_import
from worker.notifier.messages.request import RequestReport, describe_recall, describe_request
from worker.notifier.models import Reminder, ReminderEcheance
from worker.notifier.outbox import Claim, Outbox
from worker.registre.models import Commune

TROUBLE_SECONDS = 1
"""How long an absent database is left alone."""

STOP_SECONDS = 45
"""How long a stop waits for the background at most, less than the grace that containers are given: it can be killed."""

TOO_LATE = "échéance passée avant l'envoi"

_ANNOUNCED = (ExportStatus.READY, ExportStatus.FAILED, ExportStatus.CANCELLED)

Today = Callable[[str], date]

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
        progress: ProgressEvents | None = None,
        *,
        beat: Beat = ignore,
    ) -> None:
        self._engine = engine
        self._use_cases = use_cases
        self._background = background
        self._answers = answers
        self._progress = progress
        self._beat = beat

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; the background, the answers and the progress have threads of their own.

        An absent database is waited out.
        """
        threads = [_start(it.run, stop) for it in (self._background, self._answers, self._progress) if it]
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
        self.finish(STOP_SECONDS)

    def finish(self, seconds: float) -> None:
        """Wait for the mails that are under way, so long at most."""
        for use_case in self._use_cases:
            use_case.dispatcher.finish(seconds)

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
            while not stop.is_set() and (claims := use_case.claim()):
                notified += self._notify(use_case, claims)
        return notified

    def _notify(self, use_case: "Notifications", claims: Sequence[Claim]) -> int:
        """Of these together; of each alone when that fails, so that one that nobody can be told of stops no other.

        Where the database went away they are put off: what was sent is still to be recorded.
        """
        keys = use_case.log_keys(claims[0]) if len(claims) == 1 else {}
        with structlog.contextvars.bound_contextvars(**keys):
            try:
                return use_case.notify(claims)
            except Exception as error:
                if len(claims) == 1 and isinstance(error, LeaseLostError):
                    log.warning("telling_taken_over")
                elif len(claims) == 1 or is_waited_for(error):
                    log.exception("telling_failed")
                    is_away = is_waited_for(error)
                    use_case.outbox.end({it: it.delay_away if is_away else it.delay for it in claims})
                else:
                    log.warning("telling_one_by_one", exc_info=True)
                    return sum(self._notify(use_case, [claim]) for claim in claims)
        return 0


def _start(run: Callable[[threading.Event], None], stop: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=run, args=(stop,), name="background", daemon=True)
    thread.start()
    return thread


class Notifications(ABC):
    """The use case of the rows of one outbox; `publish` is None where no program listens to the exchange."""

    log_key: ClassVar[str]
    """What log lines call the row's number."""

    together: ClassVar[int] = 1
    """How many rows are taken at once, at most."""

    def __init__(
        self,
        sessions: Sessions,
        outbox: Outbox,
        dispatcher: Dispatcher,
        publish: PublishEvents | None,
        *,
        public_url: str,
    ) -> None:
        self.outbox = outbox
        self._sessions = sessions
        self.dispatcher = dispatcher
        self._publish = publish
        self._public_url = public_url

    def claim(self) -> Sequence[Claim]:
        """Take the first rows that wait, and what we had when the database went away, once what we did is on record."""
        return self.outbox.claim(self.together, takes_up=self.dispatcher.is_on_record)

    @abstractmethod
    def notify(self, claims: Sequence[Claim]) -> int:
        """Notify whoever is not yet; of how many rows everybody is, the others were put off or given back.

        Raises:
            LeaseLostError: another notifier has taken one of the rows over.
        """

    def log_keys(self, claim: Claim) -> dict[str, Any]:
        """What log lines about a row bear."""
        return {self.log_key: claim.id} | request_keys(claim.correlation_id, trace_id_of(claim.traceparent))

    def _say(self, said: Sequence[AnsweredEvent], keys: Sequence[Mapping[str, Any]]) -> int:
        """Publish these events together: how many have left, from the first on. `keys`: what log lines about each bear.

        Whoever is killed before that is recorded publishes them again, under the same ids.
        """
        if self._publish is None or not said:
            return 0
        left = len(said)
        try:
            self._publish(said)
        except Exception as trouble:
            log.warning("event_delayed", exc_info=True)
            left = trouble.left if isinstance(trouble, EventsDelayedError) else 0
        for (event, _), its in zip(said[:left], keys, strict=False):
            log.info("event_published", type=event.type, export_id=event.data.get("export_id"), **its)
        return left

    def _record(self, *marks: Update) -> None:
        with self._sessions.begin() as session:
            for mark in marks:
                session.execute(mark)

    def _finish(self, claim: Claim, outcome: Outcome, *, is_published: bool) -> float | None:
        """Mark the row notified once nobody and nothing waits; else put it off: in how many seconds.

        Raises:
            LeaseLostError: another notifier has taken the row over.
        """
        seconds = _delay(claim, outcome, is_published=is_published)
        if not self.outbox.end({claim: seconds}):
            raise LeaseLostError("un autre notificateur l'a pris")
        return seconds


def _delay(claim: Claim, outcome: Outcome, *, is_published: bool) -> float | None:
    """In how many seconds there is something to do for it; None when nobody and nothing waits."""
    if outcome.is_done and is_published:
        return None
    return outcome.delay if is_published else min(claim.delay_away, outcome.delay or claim.delay_away)


class _Said(NamedTuple):
    """An event of a request that has not left yet: of a file, else of the end of the request."""

    event: CloudEvent
    request: Request
    export_id: int | None = None


class RequestNotifications(Notifications):
    """Of what became of requests: people first, then programs."""

    log_key = "request_id"
    together = 16

    def notify(self, claims: Sequence[Claim]) -> int:
        """Notify of requests, as `Notifications` says."""
        with self._sessions() as session:
            found = _read_reports(session, [claim.id for claim in claims])
        reports = {claim: found[claim.id] for claim in claims}
        said = {it: _missing_events(reports[it], self._public_url) if self._publish else [] for it in claims}
        parcels = [self._wrap(claim, report) for claim, report in reports.items()]
        renew = partial(self.outbox.renew, *claims)
        outcomes = dict(zip(claims, self.dispatcher.deliver(About.REQUEST, parcels, renew), strict=False))
        events = [one for claim in outcomes for one in said[claim]]
        keys = {parcel.subject_id: parcel.log_keys for parcel in parcels}
        renew()
        to_publish = [(one.event, one.request.sender) for one in events]
        left = self._say(to_publish, [keys[one.request.id] for one in events])
        late = {one.request.id for one in events[left:]}
        ends = {claim: _delay(claim, it, is_published=claim.id not in late) for claim, it in outcomes.items()}
        mine = self.outbox.end(ends, *_marks(events[:left]))
        self.outbox.give_back(claims[len(outcomes) :])
        for claim, outcome in outcomes.items():
            with structlog.contextvars.bound_contextvars(**keys[claim.id]):
                if reports[claim].wishes and not outcome.recipients:
                    log.warning("nobody_to_tell")
                if claim not in mine:
                    log.warning("telling_taken_over")
                elif (seconds := ends[claim]) is None:
                    log.info("told", recipients=outcome.recipients)
                else:
                    waiting, published = outcome.mails_waiting + outcome.others_waiting, claim.id not in late
                    log.warning("telling_postponed", waiting=waiting, published=published, seconds=round(seconds))
        return sum(ends[claim] is None for claim in mine)

    def _wrap(self, claim: Claim, report: RequestReport) -> Parcel:
        request = report.request
        about = f"{request.source}\n{request.event_id}"
        if request.code in WITHOUT_KEY:
            about += f"\n{request.payload_hash}"
        message = Message(about, _describe(report, self._public_url), partial(_events, report, self._public_url))
        keys = self.log_keys(claim) | {"commune": request.code_commune}
        return Parcel(request.id, request.code_commune, message, report.wishes, keys)


def _read_reports(session: Session, request_ids: Sequence[int]) -> dict[int, RequestReport]:
    """Everything at once, so that no transaction is open while mails are sent."""
    whole = selectinload(Request.exports).selectinload(Export.pieces)
    query = select(Request).where(Request.id.in_(request_ids)).options(whole)
    requests = session.scalars(query).all()
    named = select(Commune.code, Commune.nom).where(Commune.code.in_({it.code_commune for it in requests}))
    names = {row.code: row.nom for row in session.execute(named)}
    previews: dict[int | None, Preview] = {}
    of_them = or_(Preview.request_id.in_(request_ids), Preview.import_request_id.in_(request_ids))
    for preview in session.scalars(select(Preview).where(of_them)):
        previews |= {preview.request_id: preview, preview.import_request_id: preview}
    return {it.id: RequestReport(it, names.get(it.code_commune, ""), previews.get(it.id)) for it in requests}


def _describe(report: RequestReport, public_url: str) -> Content:
    if report.preview:
        return describe_import(report.request, report.preview, lieu=report.lieu, public_url=public_url)
    return describe_request(report, public_url)


def _events(report: RequestReport, public_url: str) -> list[CloudEvent]:
    """What there is to say to a program, of every file."""
    if report.is_refused:
        return [refusal_event(report.request)]
    if report.preview:
        return [registre_event(report.request, report.preview)]
    exports = (export for status in _ANNOUNCED for export in report.files(status))
    return [file_event(report.request, export, public_url) for export in exports]


def _missing_events(report: RequestReport, public_url: str) -> list[_Said]:
    """Those that have not left yet; of a refusal the answer says all."""
    if report.is_refused:
        return []
    request, preview = report.request, report.preview
    said = [
        _Said(file_event(request, export, public_url), request, export.id)
        for status in _ANNOUNCED
        for export in report.files(status)
        if export.published_at is None
    ]
    if request.concluded_at is None:
        said.append(_Said(registre_event(request, preview) if preview else settled_event(request), request))
    return said


def _marks(said: Sequence[_Said]) -> Iterator[Update]:
    """How to record that they have left."""
    if exports := [one.export_id for one in said if one.export_id is not None]:
        yield mark_published(exports)
    if ended := [one.request.id for one in said if one.export_id is None]:
        yield update(Request).where(Request.id.in_(ended)).values(concluded_at=utc_now())


def today_in(code_commune: str) -> date:
    """The civil day of a commune now."""
    return civil_day(now(), code_commune)


class RecallNotifications(Notifications):
    """Of files that are to be made again, after all that was to be said of them: programs first, then people."""

    log_key = "recall_id"

    def notify(self, claims: Sequence[Claim]) -> int:
        """Notify of one recall, as `Notifications` says."""
        (claim,) = claims
        with self._sessions() as session:
            recall = session.get_one(Recall, claim.id)
            files = select(Export).where(Export.recall_id == recall.id).options(joinedload(Export.request))
            exports = session.scalars(files.order_by(Export.id)).all()
            lieu = _read_lieu(session, recall.code_commune)
        with structlog.contextvars.bound_contextvars(commune=recall.code_commune):
            events = [recall_event(recall, export) for export in exports]
            wait = [export for export in exports if export.recall_published_at is None] if self._publish else []
            said = [(event, it.request.sender) for event, it in zip(events, exports, strict=True) if it in wait]
            left = self._say(said, [{}] * len(said))
            self._record(mark_recall_published([export.id for export in wait[:left]]))
            content = describe_recall(recall, exports, lieu=lieu, public_url=self._public_url)
            message = Message(f"recall\n{recall.id}", content, lambda: events)
            parcel = Parcel(recall.id, recall.code_commune, message, frozenset({Wish.READY, Wish.FAILED}), {})
            renew = partial(self.outbox.renew, claim)
            (outcome,) = self.dispatcher.deliver(About.RECALL, [parcel], renew)
            published = left == len(wait)
            seconds = self._finish(claim, outcome, is_published=published)
            if seconds is None:
                log.info("recall_told", recipients=outcome.recipients)
                return 1
            log.warning("recall_postponed", published=published, seconds=round(seconds))
            return 0


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
        publish: PublishEvents | None,
        *,
        public_url: str,
        today: Today = today_in,
    ) -> None:
        super().__init__(sessions, outbox, dispatcher, publish, public_url=public_url)
        self._today = today

    def notify(self, claims: Sequence[Claim]) -> int:
        """Remind of what is still to come, as `Notifications` says."""
        (claim,) = claims
        with self._sessions() as session:
            reminder = session.get_one(Reminder, claim.id)
            today = self._today(reminder.code_commune)
            coming = _read_coming(session, reminder.id, today)
            lieu = _read_lieu(session, reminder.code_commune)
        with structlog.contextvars.bound_contextvars(commune=reminder.code_commune):
            if not coming:
                self.dispatcher.abandon(About.REMINDER, reminder.id, TOO_LATE)
                self._finish(claim, Outcome(0), is_published=True)
                log.warning("reminder_too_late")
                return 1
            content = describe_deadlines(
                [_deadline(row) for row in coming], lieu=lieu, today=today, public_url=self._public_url
            )
            events = [deadline_event(reminder.code_commune, reminder.day, _deadline(row)) for row in coming]
            message = Message(f"rappel\n{reminder.code_commune}\n{reminder.day}", content, lambda: events)
            said = [(it, "") for row, it in zip(coming, events, strict=True) if row.published_at is None]
            wait = [row for row in coming if row.published_at is None] if self._publish else []
            left = self._say(said, [{}] * len(said))
            mark = update(ReminderEcheance).values(published_at=utc_now())
            self._record(*(mark.where(*_is(row)) for row in wait[:left]))
            parcel = Parcel(reminder.id, reminder.code_commune, message, frozenset({Wish.DEADLINE}), {})
            (outcome,) = self.dispatcher.deliver(About.REMINDER, [parcel], partial(self.outbox.renew, claim))
            published = left == len(wait)
            seconds = self._finish(claim, outcome, is_published=published)
            if seconds is None:
                log.info("reminded", recipients=outcome.recipients)
                return 1
            log.warning("reminder_postponed", published=published, seconds=round(seconds))
            return 0


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
