"""Reads requests, recalls and reminders: the message of each for people, and its events for programs."""

from collections.abc import Callable, Collection, Iterable, Sequence
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
from worker.notifier.messages.registre import describe_import
from worker.notifier.messages.request import RequestReport, describe_recall, describe_request
from worker.notifier.models import Reminder, ReminderEcheance
from worker.registre.models import Commune
from worker.work.models import About, WorkKind
from worker.work.queue import Claim

_ANNOUNCED = (ExportStatus.READY, ExportStatus.FAILED, ExportStatus.CANCELLED)

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

    @property
    def log_keys(self) -> dict[str, Any]:
        """The keys of log lines about the row."""
        if not self.request:
            return {"commune": self.code_commune}
        keys: dict[str, Any] = request_keys(self.request.correlation_id, trace_id_of(self.request.traceparent))
        return keys | {"request_id": self.request.id, "commune": self.code_commune}


@dataclass(frozen=True)
class Notices:
    """Reads notices; `public_url` is the address of the screen, if any."""

    public_url: str
    today: Today = today_in

    def read(self, session: Session, about: About, ids: Collection[int]) -> dict[int, Notice]:
        """Return the notices by row id; none for a row that does not exist, or whose deadlines have all passed."""
        match about:
            case About.REQUEST:
                return {it.request.id: self._of_request(it) for it in _read_reports(session, ids)}
            case About.RECALL:
                return self._of_recalls(session, ids)
            case About.REMINDER:
                return self._of_reminders(session, ids)

    def _of_request(self, report: RequestReport) -> Notice:
        request, preview = report.request, report.preview
        about = f"{request.source}\n{request.event_id}"
        if request.code in WITHOUT_KEY:
            about += f"\n{request.payload_hash}"
        if preview:
            compose = partial(describe_import, request, preview, lieu=report.lieu, public_url=self.public_url)
        else:
            compose = partial(describe_request, report, self.public_url)
        return Notice(
            about,
            compose,
            partial(self._webhook_events, report),
            request.code_commune,
            report.wishes,
            partial(self._events_of_request, report),
            request,
        )

    def _webhook_events(self, report: RequestReport) -> list[CloudEvent]:
        if report.is_refused:
            return [refusal_event(report.request)]
        if report.preview:
            return [registre_event(report.request, report.preview)]
        exports = (export for status in _ANNOUNCED for export in report.files(status))
        return [file_event(report.request, export, self.public_url) for export in exports]

    def _events_of_request(self, report: RequestReport, claim: Claim) -> list[AnsweredEvent]:
        request = report.request
        if claim.kind is WorkKind.REPLY:
            events = [answer_event(request)]
        elif claim.kind is WorkKind.PROGRESS:
            running = report.files(ExportStatus.RUNNING) if request.completed_at is None else []
            events = [progress_event(request, it, datetime.now(UTC)) for it in running]
        elif claim.part:
            events = [file_event(request, it, self.public_url) for it in request.exports if it.part == claim.part]
        else:
            events = [registre_event(request, report.preview) if report.preview else settled_event(request)]
        return [(event, request.sender) for event in events]

    def _of_recalls(self, session: Session, ids: Collection[int]) -> dict[int, Notice]:
        recalls = session.scalars(select(Recall).where(Recall.id.in_(ids))).all()
        names = _read_names(session, {it.code_commune for it in recalls})
        found = {}
        for recall in recalls:
            of_recall = select(Export).where(Export.recall_id == recall.id).options(joinedload(Export.request))
            exports = session.scalars(of_recall.order_by(Export.id)).all()
            lieu = names.get(recall.code_commune, recall.code_commune)
            found[recall.id] = Notice(
                f"recall\n{recall.id}",
                partial(describe_recall, recall, exports, lieu=lieu, public_url=self.public_url),
                partial(_recall_events, recall, exports),
                recall.code_commune,
                frozenset({Wish.READY, Wish.FAILED}),
                partial(_events_of_recall, recall, exports),
            )
        return found

    def _of_reminders(self, session: Session, ids: Collection[int]) -> dict[int, Notice]:
        reminders = session.scalars(select(Reminder).where(Reminder.id.in_(ids))).all()
        names = _read_names(session, {it.code_commune for it in reminders})
        found = {}
        for reminder in reminders:
            code, today = reminder.code_commune, self.today(reminder.code_commune)
            coming = {part_of(row): _deadline_of(row) for row in _read_coming(session, reminder.id, today)}
            events = {part: deadline_event(code, reminder.day, deadline) for part, deadline in coming.items()}
            if coming:
                deadlines, lieu = [*coming.values()], names.get(code, code)
                found[reminder.id] = Notice(
                    f"rappel\n{code}\n{reminder.day}",
                    partial(describe_deadlines, deadlines, lieu=lieu, today=today, public_url=self.public_url),
                    partial(list, events.values()),
                    code,
                    frozenset({Wish.DEADLINE}),
                    partial(_events_of_reminder, events),
                )
        return found


def _read_reports(session: Session, request_ids: Collection[int]) -> list[RequestReport]:
    """Return requests with their files, the names of their communes and their previews."""
    whole = selectinload(Request.exports).selectinload(Export.pieces)
    requests = session.scalars(select(Request).where(Request.id.in_(request_ids)).options(whole)).all()
    names = _read_names(session, {it.code_commune for it in requests})
    previews: dict[int | None, Preview] = {}
    if any(not it.exports for it in requests):
        of_them = or_(Preview.request_id.in_(request_ids), Preview.import_request_id.in_(request_ids))
        for preview in session.scalars(select(Preview).where(of_them)):
            previews |= {preview.request_id: preview, preview.import_request_id: preview}
    return [RequestReport(it, names.get(it.code_commune, it.code_commune), previews.get(it.id)) for it in requests]


def _recall_events(recall: Recall, exports: Sequence[Export]) -> list[CloudEvent]:
    return [recall_event(recall, export) for export in exports]


def _events_of_recall(recall: Recall, exports: Sequence[Export], claim: Claim) -> list[AnsweredEvent]:
    return [(recall_event(recall, it), it.request.sender) for it in exports if str(it.id) == claim.part]


def part_of(row: ReminderEcheance) -> str:
    """Return the part of the work for the event of a deadline."""
    return f"{row.echeance} {row.due_on} {row.days}"


def _events_of_reminder(events: dict[str, CloudEvent], claim: Claim) -> list[AnsweredEvent]:
    return [(events[claim.part], "")] if claim.part in events else []


def _read_coming(session: Session, reminder_id: int, today: date) -> Sequence[ReminderEcheance]:
    """Return the deadlines of a reminder that have not passed."""
    of_reminder = ReminderEcheance.reminder_id == reminder_id, ReminderEcheance.until >= today
    return session.scalars(
        select(ReminderEcheance).where(*of_reminder).order_by(ReminderEcheance.due_on, ReminderEcheance.echeance)
    ).all()


def _deadline_of(row: ReminderEcheance) -> Deadline:
    return Deadline(row.echeance, row.due_on, row.until, row.scrutin, row.libelle)


def _read_names(session: Session, codes: Iterable[str]) -> dict[str, str]:
    """Return communes as a clerk reads them, by their codes: `LIBREVILLE (13900)`."""
    named = select(Commune.code, Commune.nom).where(Commune.code.in_(codes))
    return {row.code: f"{row.nom} ({row.code})" for row in session.execute(named)}
