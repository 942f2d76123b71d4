"""Reads requests, recalls and reminders: the message of each for people, and its events for programs."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, partial
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from common.calendrier import civil_day, now
from common.logs import request_keys
from schemas.envelope import CloudEvent, trace_id_of
from schemas.vocabulary import ExportStatus, Wish
from worker.arrivals import Preview
from worker.exports.models import WITHOUT_KEY, Export, Recall, Request
from worker.notifier.channels.delivery import Message
from worker.notifier.messages.deadlines import describe_deadlines
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
from worker.notifier.models import DEADLINES, Reminder
from worker.registre.models import Commune
from worker.work.queue import About, Claim, WorkKind, count_before, subject_of

Today = Callable[[str], date]
"""Returns the civil day of a commune."""


def today_in(code_commune: str) -> date:
    """Return the civil day of a commune now."""
    return civil_day(now(), code_commune)


@dataclass(frozen=True)
class Notice(Message):
    """The message about a row, and the wishes of which a recipient needs one."""

    subject: str
    code_commune: str
    wishes: frozenset[Wish]
    request: Request | None = None
    asker: str = ""
    """The agent who asked, if every file is ready and the agent may download them before the mail is sent."""
    until: date = date.max
    """The last day on which it is of use."""

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
        keys: dict[str, Any] = request_keys(
            self.request.correlation_id, trace_id_of(self.request.traceparent)
        )
        return keys | {"request_id": self.request.id, "commune": self.code_commune}

    def events_of(self, session: Session, claim: Claim) -> list[AnsweredEvent]:
        """Return the events of a work about the row; none for a file or a deadline that does not exist or is over."""
        request = self.request
        if request is None or claim.kind is WorkKind.EVENT:
            answer = self.answers().get(claim.part)
            return [answer] if answer else []
        if claim.kind is WorkKind.REPLY:
            return [(answer_event(request), request.sender)]
        return [(event, request.sender) for event in _describe_progress(request, session)]


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
        readers = {
            About.REQUEST: self._read_requests,
            About.RECALL: self._read_recalls,
            About.REMINDER: self._read_reminders,
        }
        found: dict[str, Notice] = {}
        for about in {it.about for it in claims}:
            ids = {it.subject_id for it in claims if it.about is about}
            found |= {it.subject: it for it in readers[about](session, ids)}
        return found

    def _read_requests(self, session: Session, ids: Collection[int]) -> Iterator[Notice]:
        query = (
            _with_names(Request).where(Request.id.in_(ids)).options(selectinload(Request.exports))
        )
        rows = session.execute(query).all()
        previews: dict[int | None, Preview] = {}
        if any(not request.exports for request, _ in rows):
            of_them = or_(Preview.request_id.in_(ids), Preview.import_request_id.in_(ids))
            for preview in session.scalars(select(Preview).where(of_them)):
                previews |= {preview.request_id: preview, preview.import_request_id: preview}
        for request, nom in rows:
            report = RequestReport(
                request, _name(nom, request.code_commune), previews.get(request.id)
            )
            about = f"{request.source}\n{request.event_id}"
            if request.code in WITHOUT_KEY:
                about += f"\n{request.payload_hash}"
            yield Notice(
                about,
                cache(partial(describe_request, report, self.public_url)),
                cache(partial(self._answers, report)),
                subject_of(About.REQUEST, request.id),
                request.code_commune,
                report.wishes,
                request,
                request.requested_by if self.spares_asker and report.is_all_ready else "",
            )

    def _answers(self, report: RequestReport) -> dict[str, AnsweredEvent]:
        request = report.request
        events = {it.part: file_event(request, it, self.public_url) for it in request.exports}
        if events:
            events[""] = settled_event(request)
        elif report.is_refused:
            events[""] = refusal_event(request)
        elif report.preview:
            events[""] = registre_event(request, report.preview)
        return {part: (event, request.sender) for part, event in events.items()}

    def _read_recalls(self, session: Session, ids: Collection[int]) -> Iterator[Notice]:
        for recall, nom in session.execute(_with_names(Recall).where(Recall.id.in_(ids))).all():
            of_recall = (
                select(Export)
                .where(Export.recall_id == recall.id)
                .options(joinedload(Export.request))
            )
            exports = session.scalars(of_recall.order_by(Export.id)).all()
            lieu = _name(nom, recall.code_commune)
            text = partial(describe_recall, recall, exports, lieu=lieu, public_url=self.public_url)
            events = {str(it.id): (recall_event(recall, it), it.request.sender) for it in exports}
            subject, wishes = (
                subject_of(About.RECALL, recall.id),
                frozenset({Wish.READY, Wish.FAILED}),
            )
            yield Notice(
                f"recall\n{recall.id}", text, events.copy, subject, recall.code_commune, wishes
            )

    def _read_reminders(self, session: Session, ids: Collection[int]) -> Iterator[Notice]:
        for reminder, nom in session.execute(
            _with_names(Reminder).where(Reminder.id.in_(ids))
        ).all():
            code, day, today = (
                reminder.code_commune,
                reminder.day,
                self.today(reminder.code_commune),
            )
            deadlines = [
                it for it in DEADLINES.validate_python(reminder.echeances) if it.until >= today
            ]
            lieu = _name(nom, code)
            text = partial(
                describe_deadlines, deadlines, lieu=lieu, today=today, public_url=self.public_url
            )
            events = {it.part: (deadline_event(code, day, it), "") for it in deadlines}
            if deadlines:
                subject, wishes = (
                    subject_of(About.REMINDER, reminder.id),
                    frozenset({Wish.DEADLINE}),
                )
                until = min(it.until for it in deadlines)
                yield Notice(
                    f"rappel\n{code}\n{day}", text, events.copy, subject, code, wishes, until=until
                )


def _describe_progress(request: Request, session: Session) -> Iterator[CloudEvent]:
    now = datetime.now(UTC)
    for export in request.exports if request.completed_at is None else ():
        if export.status == ExportStatus.RUNNING:
            yield progress_event(request, export, now)
        elif export.status == ExportStatus.QUEUED:
            before = count_before(session.connection(), WorkKind(export.kind), export.id)
            yield progress_event(request, export, now, before)


def _with_names(table: Any) -> Select[Any, str | None]:  # noqa: ANN401 — a class of rows
    return select(table, Commune.nom).outerjoin(Commune, Commune.code == table.code_commune)


def _name(nom: str | None, code: str) -> str:
    return f"{nom} ({code})" if nom else code
