"""Publishes events: the reply to each event, the end of each file and request, recalls, deadlines and progress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, Engine, or_, select
from sqlalchemy.orm import Session

from schemas.vocabulary import UNFINISHED, ExportStatus, RequestOutcome
from worker.arrivals import Preview
from worker.error_policy import until_next_try
from worker.errors import EventsDelayedError
from worker.exports.models import Export, Recall, Request
from worker.notifier.messages.events import (
    AnsweredEvent,
    PublishEvents,
    ReplyEvent,
    answer_event,
    deadline_event,
    file_event,
    progress_event,
    recall_event,
    registre_event,
    settled_event,
)
from worker.notifier.messages.request import RequestReport
from worker.notifier.models import Reminder, ReminderEcheance
from worker.notifier.notices import Today, deadline_of, keys_of, read_recalled, read_reports, today_in
from worker.notifier.recipients import delay_recalls, finish_and_note
from worker.work.models import About, WorkKind, subject_of
from worker.work.queue import Claim, NewWork, add, release

PROGRESS_SECONDS = 1.0
AWAY = "courtier RabbitMQ injoignable"

log = structlog.stdlib.get_logger(__name__)


def part_of(row: ReminderEcheance) -> str:
    """Return the part of the work for the event of a deadline."""
    return f"{row.echeance} {row.due_on} {row.days}"


class EventPublishing:
    """Processes works that publish an event; `publish` is None where no program listens (the embedded mode)."""

    def __init__(
        self,
        engine: Engine,
        publish: PublishEvents | None,
        *,
        public_url: str = "",
        today: Today = today_in,
        reply: ReplyEvent = lambda _event, _reply_to: None,
    ) -> None:
        self._engine = engine
        self._publish = publish
        self._public_url = public_url
        self._today = today
        self._reply = reply

    def handle(self, claims: Sequence[Claim]) -> None:
        """Publish the events of these works together, in their order, with one confirm."""
        if self._publish is None:
            with Session(self._engine) as session, session.begin():
                finish_and_note(session, claims)
            return
        with Session(self._engine) as session, session.begin():
            claims = delay_recalls(session, claims)
        outgoing = self._word(claims)
        left = self._say([event for one in outgoing for event in one.events])
        for one in outgoing:
            left -= len(one.events)
            one.is_published = left >= 0
            if one.is_published:
                self._note_published(one)
        with Session(self._engine) as session, session.begin():
            _record(session, outgoing)

    def _word(self, claims: Sequence[Claim]) -> "list[_Outgoing]":
        with Session(self._engine) as session:
            read = _read(session, claims)
            outgoing = []
            for claim in claims:
                report = read.reports.get(claim.subject_id) if claim.about is About.REQUEST else None
                outgoing.append(_Outgoing(claim, report.request if report else None, self._events(claim, read)))
        return outgoing

    def _say(self, events: Sequence[AnsweredEvent]) -> int:
        """Publish these events; return how many the broker has confirmed, from the first on."""
        if not events or self._publish is None:
            return 0
        try:
            self._publish(events)
        except EventsDelayedError as trouble:
            log.warning("event_delayed", exc_info=True)
            return trouble.left
        return len(events)

    def _note_published(self, one: "_Outgoing") -> None:
        if one.claim.kind is WorkKind.REPLY and one.request and one.request.reply_to:
            for event, _ in one.events:
                self._reply(event, one.request.reply_to)
        keys = keys_of(one.request) if one.request else {}
        for event, _ in one.events:
            log.info("event_published", type=event.type, export_id=event.data.get("export_id"), **keys)

    def _events(self, claim: Claim, read: "_Read") -> list[AnsweredEvent]:
        """Return no event when the subject does not exist, or the deadline has passed."""
        match claim.about:
            case About.REQUEST:
                report = read.reports.get(claim.subject_id)
                return self._of_request(claim, report) if report else []
            case About.RECALL:
                recall, export = read.recalls.get(claim.subject_id), read.exports.get(int(claim.part))
                return [(recall_event(recall, export), export.request.sender)] if recall and export else []
            case About.REMINDER:
                reminder, row = read.reminders.get(claim.subject_id), read.deadlines.get((claim.subject_id, claim.part))
                if not reminder or not row or row.until < self._today(reminder.code_commune):
                    return []
                return [(deadline_event(reminder.code_commune, reminder.day, deadline_of(row)), "")]

    def _of_request(self, claim: Claim, report: RequestReport) -> list[AnsweredEvent]:
        request = report.request
        if claim.kind is WorkKind.REPLY:
            events = [answer_event(request)]
        elif claim.kind is WorkKind.PROGRESS:
            now = datetime.now(UTC)
            running = report.files(ExportStatus.RUNNING) if request.completed_at is None else []
            events = [progress_event(request, it, now) for it in running]
        elif claim.part:
            events = [file_event(request, it, self._public_url) for it in request.exports if it.part == claim.part]
        else:
            events = [registre_event(request, report.preview) if report.preview else settled_event(request)]
        return [(event, request.sender) for event in events]


@dataclass
class _Outgoing:
    """A work, its request, its events, and whether they were published."""

    claim: Claim
    request: Request | None
    events: Sequence[AnsweredEvent]
    is_published: bool = False


class _Read(NamedTuple):
    reports: Mapping[int, RequestReport]
    recalls: Mapping[int, Recall]
    exports: Mapping[int, Export]
    reminders: Mapping[int, Reminder]
    deadlines: Mapping[tuple[int, str], ReminderEcheance]


def _read(session: Session, claims: Sequence[Claim]) -> _Read:
    ids = {about: {claim.subject_id for claim in claims if claim.about is about} for about in About}
    recalls, exports, reminders, deadlines = {}, {}, {}, {}
    if of_recalls := ids[About.RECALL]:
        recalls = {it.id: it for it in session.scalars(select(Recall).where(Recall.id.in_(of_recalls)))}
        exports = {it.id: it for files in read_recalled(session, of_recalls).values() for it in files}
    if of_reminders := ids[About.REMINDER]:
        reminders = {it.id: it for it in session.scalars(select(Reminder).where(Reminder.id.in_(of_reminders)))}
        rows = session.scalars(select(ReminderEcheance).where(ReminderEcheance.reminder_id.in_(of_reminders)))
        deadlines = {(it.reminder_id, part_of(it)): it for it in rows}
    reports = read_reports(session, ids[About.REQUEST]) if ids[About.REQUEST] else {}
    return _Read(reports, recalls, exports, reminders, deadlines)


def _record(session: Session, outgoing: Sequence[_Outgoing]) -> None:
    done = []
    for one in outgoing:
        claim, connection = one.claim, session.connection()
        if claim.kind is WorkKind.PROGRESS:
            if one.request and one.request.completed_at is None:
                release(connection, claim, PROGRESS_SECONDS, counts=False)
            else:
                done.append(claim)
        elif one.is_published:
            done.append(claim)
        else:
            release(connection, claim, until_next_try(claim.waits), AWAY, counts=False)
    finish_and_note(session, done)


_LANE_AGAIN = 1
"""Lane 1, after works for which a person waits."""


def publish_events_again(connection: Connection, account: str, since: datetime) -> int:
    """Add works for the events of an account's requests since then, without those of purged files; return how many."""
    mine = Request.sender == account, Request.created_at >= since
    ended = Export.status.not_in(UNFINISHED), Export.purged_at.is_(None), Request.completed_at.is_not(None)
    requests = connection.execute(select(Request.id, Request.outcome, Request.completed_at).where(*mine)).all()
    files = select(Export.request_id, Export.id, Export.part, Export.recall_id).join(Request).where(*mine, *ended)
    works = [NewWork(WorkKind.REPLY, subject_of(About.REQUEST, it.id), "", _LANE_AGAIN) for it in requests]
    for file in connection.execute(files.order_by(Export.id)):
        works.append(NewWork(WorkKind.EVENT, subject_of(About.REQUEST, file.request_id), file.part, _LANE_AGAIN))
        if file.recall_id is not None:
            works.append(NewWork(WorkKind.EVENT, subject_of(About.RECALL, file.recall_id), str(file.id), _LANE_AGAIN))
    of_imports = select(Preview.import_request_id).where(Preview.import_request_id.is_not(None))
    ends = [select(Export.request_id), select(Preview.request_id), of_imports]
    has_end = or_(*(Request.id.in_(of_rows) for of_rows in ends))
    with_end = set(connection.scalars(select(Request.id).where(*mine, has_end)))
    for request in requests:
        is_over = request.completed_at is not None and request.outcome != RequestOutcome.REFUSED
        if is_over and request.id in with_end:
            works.append(NewWork(WorkKind.EVENT, subject_of(About.REQUEST, request.id), "", _LANE_AGAIN))
    add(connection, works, again=True)
    return len(works)
