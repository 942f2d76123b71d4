"""Reads requests, recalls and reminders: the message of each for people, and its events for programs."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from common.calendrier import civil_day, now
from common.logs import request_keys
from schemas.envelope import CloudEvent, trace_id_of
from schemas.vocabulary import ExportStatus, Wish
from worker.arrivals import Preview
from worker.exports.models import WITHOUT_KEY, Export, Recall, Request
from worker.notifier.channels.delivery import Message
from worker.notifier.messages.deadlines import Deadline, describe_deadlines
from worker.notifier.messages.events import (
    AnsweredEvent,
    answer_event,
    deadline_event,
    file_event,
    progress_event,
    recall_event,
    refusal_event,
    registre_event,
    settled_event,
)
from worker.notifier.messages.request import RequestReport, describe_recall, describe_request
from worker.notifier.messages.text import Text
from worker.notifier.models import Reminder, ReminderEcheance
from worker.registre.models import Commune
from worker.work.queue import About, Claim, WorkKind, count_before, subject_of

Today = Callable[[str], date]
"""Returns the civil day of a commune."""


def today_in(code_commune: str) -> date:
    """Return the civil day of a commune now."""
    return civil_day(now(), code_commune)


@dataclass(frozen=True)
class Notice(Message):
    """The message about a row, the wishes of which a recipient needs one, and the events of the works about the row."""

    code_commune: str
    wishes: frozenset[Wish]
    events_of: Callable[[Claim], Sequence[AnsweredEvent]]
    """Returns no event for a file or a deadline that does not exist, or a deadline that has passed."""
    request: Request | None = None
    asker: str = ""
    """The agent who asked, if every file is ready and the agent may download them before the mail is sent."""

    @property
    def is_opened(self) -> bool:
        """Whether the agent who asked has downloaded every file of the request."""
        files = self.request.exports if self.request else []
        return bool(self.asker) and all(it.downloaded_by == self.asker for it in files)

    @property
    def log_keys(self) -> dict[str, Any]:
        """The keys of log lines about the row."""
        if not self.request:
            return {"commune": self.code_commune}
        keys: dict[str, Any] = request_keys(self.request.correlation_id, trace_id_of(self.request.traceparent))
        return keys | {"request_id": self.request.id, "commune": self.code_commune}


@dataclass(frozen=True)
class Notices:
    """Reads notices; `public_url` is the address of the screen, if any.

    `spares_asker`: the agent who asked may download the files on the screen before the mail is sent.
    """

    public_url: str
    today: Today = today_in
    spares_asker: bool = False

    def read(self, session: Session, claims: Collection[Claim]) -> dict[str, Notice]:
        """Return the notices of these works by their subjects.

        There is none about a row that does not exist, or whose deadlines have all passed.
        """
        found: dict[str, Notice] = {}
        for about in {it.about for it in claims}:
            ids = {it.subject_id for it in claims if it.about is about}
            if about is About.REQUEST:
                for report in _read_reports(session, ids):
                    found[subject_of(about, report.request.id)] = self._of_request(session, report)
                continue
            read = self._of_recall if about is About.RECALL else self._of_reminder
            found |= {subject_of(about, row_id): it for row_id in ids if (it := read(session, row_id))}
        return found

    def _of_request(self, session: Session, report: RequestReport) -> Notice:
        request = report.request
        about = f"{request.source}\n{request.event_id}"
        if request.code in WITHOUT_KEY:
            about += f"\n{request.payload_hash}"
        return Notice(
            about,
            partial(describe_request, report, self.public_url),
            partial(self._webhook_events, report),
            request.code_commune,
            report.wishes,
            partial(self._events_of_request, report, session),
            request,
            request.requested_by if self.spares_asker and report.is_all_ready else "",
        )

    def _webhook_events(self, report: RequestReport) -> list[CloudEvent]:
        if report.is_refused:
            return [refusal_event(report.request)]
        if report.preview:
            return [registre_event(report.request, report.preview)]
        return [file_event(report.request, export, self.public_url) for export in report.request.exports]

    def _events_of_request(self, report: RequestReport, session: Session, claim: Claim) -> list[AnsweredEvent]:
        request = report.request
        if claim.kind is WorkKind.REPLY:
            events = [answer_event(request)]
        elif claim.kind is WorkKind.PROGRESS:
            events = list(_describe_progress(report, session)) if request.completed_at is None else []
        elif claim.part:
            events = [file_event(request, it, self.public_url) for it in request.exports if it.part == claim.part]
        else:
            events = [registre_event(request, report.preview) if report.preview else settled_event(request)]
        return [(event, request.sender) for event in events]

    def _of_recall(self, session: Session, recall_id: int) -> Notice | None:
        if (recall := session.get(Recall, recall_id)) is None:
            return None
        of_recall = select(Export).where(Export.recall_id == recall_id).options(joinedload(Export.request))
        exports = session.scalars(of_recall.order_by(Export.id)).all()
        code = recall.code_commune
        lieu = _read_names(session, [code]).get(code, code)
        text = partial(describe_recall, recall, exports, lieu=lieu, public_url=self.public_url)
        events = {str(it.id): (recall_event(recall, it), it.request.sender) for it in exports}
        return _notice_of(f"recall\n{recall_id}", text, events, code, {Wish.READY, Wish.FAILED})

    def _of_reminder(self, session: Session, reminder_id: int) -> Notice | None:
        if (reminder := session.get(Reminder, reminder_id)) is None:
            return None
        code, day = reminder.code_commune, reminder.day
        today = self.today(code)
        of_it = ReminderEcheance.reminder_id == reminder_id, ReminderEcheance.until >= today
        rows = select(*DEADLINE_COLUMNS).where(*of_it).order_by(ReminderEcheance.due_on, ReminderEcheance.echeance)
        deadlines = [Deadline(*row) for row in session.execute(rows)]
        if not deadlines:
            return None
        lieu = _read_names(session, [code]).get(code, code)
        text = partial(describe_deadlines, deadlines, lieu=lieu, today=today, public_url=self.public_url)
        events = {it.part: (deadline_event(code, day, it), "") for it in deadlines}
        return _notice_of(f"rappel\n{code}\n{day}", text, events, code, {Wish.DEADLINE})


def _notice_of(
    about: str, text: Callable[[], Text], events: Mapping[str, AnsweredEvent], code_commune: str, wishes: set[Wish]
) -> Notice:
    return Notice(
        about,
        text,
        lambda: [event for event, _ in events.values()],
        code_commune,
        frozenset(wishes),
        lambda claim: [events[claim.part]] if claim.part in events else [],
    )


def _describe_progress(report: RequestReport, session: Session) -> Iterator[CloudEvent]:
    now = datetime.now(UTC)
    for running in report.files(ExportStatus.RUNNING):
        yield progress_event(report.request, running, now)
    for queued in report.files(ExportStatus.QUEUED):
        before = count_before(session.connection(), WorkKind(queued.kind), queued.id)
        yield progress_event(report.request, queued, now, before)


def _read_reports(session: Session, request_ids: Collection[int]) -> list[RequestReport]:
    """Return requests with their files, the names of their communes and their previews."""
    with_files = select(Request).options(selectinload(Request.exports))
    requests = session.scalars(with_files.where(Request.id.in_(request_ids))).all()
    names = _read_names(session, {it.code_commune for it in requests})
    previews: dict[int | None, Preview] = {}
    if any(not it.exports for it in requests):
        of_them = or_(Preview.request_id.in_(request_ids), Preview.import_request_id.in_(request_ids))
        for preview in session.scalars(select(Preview).where(of_them)):
            previews |= {preview.request_id: preview, preview.import_request_id: preview}
    return [RequestReport(it, names.get(it.code_commune, it.code_commune), previews.get(it.id)) for it in requests]


DEADLINE_COLUMNS = tuple(getattr(ReminderEcheance, name) for name in Deadline._fields)


def _read_names(session: Session, codes: Iterable[str]) -> dict[str, str]:
    """Return communes as a clerk reads them, by their codes: `LIBREVILLE (13900)`."""
    named = select(Commune.code, Commune.nom).where(Commune.code.in_(codes))
    return {row.code: f"{row.nom} ({row.code})" for row in session.execute(named)}
