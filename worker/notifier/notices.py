"""Reads a request, a recall or a reminder in one transaction, and composes its message."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
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
from worker.notifier.messages.events import deadline_event, file_event, recall_event, refusal_event, registre_event
from worker.notifier.messages.registre import describe_import
from worker.notifier.messages.request import RequestReport, describe_recall, describe_request
from worker.notifier.models import Reminder, ReminderEcheance
from worker.registre.models import Commune
from worker.work.models import About

_ANNOUNCED = (ExportStatus.READY, ExportStatus.FAILED, ExportStatus.CANCELLED)

Today = Callable[[str], date]
"""Returns the civil day of a commune."""


def today_in(code_commune: str) -> date:
    """Return the civil day of a commune now."""
    return civil_day(now(), code_commune)


@dataclass(frozen=True)
class Notice:
    """A message, the commune of its recipients, and the wishes of which a recipient needs one."""

    code_commune: str
    message: Message
    wishes: frozenset[Wish]
    log_keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Notices:
    """Reads and composes notices; `public_url` is the address of the screen, if any."""

    public_url: str
    today: Today = today_in

    def read(self, session: Session, about: About, ids: Collection[int]) -> dict[int, Notice]:
        """Return the notices by row id; none for a row that does not exist, or whose deadlines have all passed."""
        match about:
            case About.REQUEST:
                return {it.request.id: self._of_request(it) for it in read_reports(session, ids).values()}
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
            content = describe_import(request, preview, lieu=report.lieu, public_url=self.public_url)
        else:
            content = describe_request(report, self.public_url)
        message = Message(about, content, partial(_events, report, self.public_url))
        return Notice(request.code_commune, message, report.wishes, keys_of(request))

    def _of_recalls(self, session: Session, ids: Collection[int]) -> dict[int, Notice]:
        exports = read_recalled(session, ids)
        recalls = session.scalars(select(Recall).where(Recall.id.in_(ids))).all()
        names = _read_names(session, {it.code_commune for it in recalls})
        found = {}
        for recall in recalls:
            files = exports.get(recall.id, [])
            lieu = _name(recall.code_commune, names)
            content = describe_recall(recall, files, lieu=lieu, public_url=self.public_url)
            message = Message(f"recall\n{recall.id}", content, partial(_recall_events, recall, files))
            wishes = frozenset({Wish.READY, Wish.FAILED})
            found[recall.id] = Notice(recall.code_commune, message, wishes, {"commune": recall.code_commune})
        return found

    def _of_reminders(self, session: Session, ids: Collection[int]) -> dict[int, Notice]:
        reminders = session.scalars(select(Reminder).where(Reminder.id.in_(ids))).all()
        names = _read_names(session, {it.code_commune for it in reminders})
        found = {}
        for reminder in reminders:
            code, today = reminder.code_commune, self.today(reminder.code_commune)
            if not (coming := [deadline_of(row) for row in read_coming(session, reminder.id, today)]):
                continue
            lieu = _name(code, names)
            content = describe_deadlines(coming, lieu=lieu, today=today, public_url=self.public_url)
            events = partial(_deadline_events, code, reminder.day, coming)
            message = Message(f"rappel\n{code}\n{reminder.day}", content, events)
            found[reminder.id] = Notice(code, message, frozenset({Wish.DEADLINE}), {"commune": code})
        return found


def keys_of(request: Request) -> dict[str, Any]:
    """Return the keys of log lines about a request."""
    keys: dict[str, Any] = request_keys(request.correlation_id, trace_id_of(request.traceparent))
    return keys | {"request_id": request.id, "commune": request.code_commune}


def read_reports(session: Session, request_ids: Collection[int]) -> dict[int, RequestReport]:
    """Return requests with their files, the names of their communes and their previews."""
    whole = selectinload(Request.exports).selectinload(Export.pieces)
    query = select(Request).where(Request.id.in_(request_ids)).options(whole)
    requests = session.scalars(query).all()
    names = _read_names(session, {it.code_commune for it in requests})
    previews: dict[int | None, Preview] = {}
    if any(not it.exports for it in requests):
        of_them = or_(Preview.request_id.in_(request_ids), Preview.import_request_id.in_(request_ids))
        for preview in session.scalars(select(Preview).where(of_them)):
            previews |= {preview.request_id: preview, preview.import_request_id: preview}
    return {it.id: RequestReport(it, names.get(it.code_commune, ""), previews.get(it.id)) for it in requests}


def read_recalled(session: Session, recall_ids: Collection[int]) -> dict[int, list[Export]]:
    """Return the files of recalls, with their requests."""
    found: dict[int, list[Export]] = {}
    files = select(Export).where(Export.recall_id.in_(recall_ids)).options(joinedload(Export.request))
    for export in session.scalars(files.order_by(Export.id)):
        found.setdefault(export.recall_id or 0, []).append(export)
    return found


def read_coming(session: Session, reminder_id: int, today: date) -> Sequence[ReminderEcheance]:
    """Return the deadlines of a reminder that have not passed."""
    of_reminder = ReminderEcheance.reminder_id == reminder_id, ReminderEcheance.until >= today
    return session.scalars(
        select(ReminderEcheance).where(*of_reminder).order_by(ReminderEcheance.due_on, ReminderEcheance.echeance)
    ).all()


def deadline_of(row: ReminderEcheance) -> Deadline:
    """The deadline of a row."""
    return Deadline(row.echeance, row.due_on, row.until, row.scrutin, row.libelle)


def _read_names(session: Session, codes: Iterable[str]) -> dict[str, str]:
    named = select(Commune.code, Commune.nom).where(Commune.code.in_(codes))
    return {row.code: row.nom for row in session.execute(named)}


def _name(code_commune: str, names: Mapping[str, str]) -> str:
    return f"{names[code_commune]} ({code_commune})" if code_commune in names else code_commune


def _events(report: RequestReport, public_url: str) -> list[CloudEvent]:
    """Return the events that a webhook receives about a request."""
    if report.is_refused:
        return [refusal_event(report.request)]
    if report.preview:
        return [registre_event(report.request, report.preview)]
    exports = (export for status in _ANNOUNCED for export in report.files(status))
    return [file_event(report.request, export, public_url) for export in exports]


def _recall_events(recall: Recall, exports: Sequence[Export]) -> list[CloudEvent]:
    return [recall_event(recall, export) for export in exports]


def _deadline_events(code_commune: str, day: date, deadlines: Sequence[Deadline]) -> list[CloudEvent]:
    return [deadline_event(code_commune, day, deadline) for deadline in deadlines]
