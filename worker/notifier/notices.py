"""Reads requests, recalls and reminders: the message of each for people, and its events for programs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, joinedload

from common.calendrier import civil_day, now
from common.logs import request_keys
from schemas.envelope import trace_id_of
from schemas.topology import SCREEN_NOTE
from schemas.vocabulary import WITHOUT_KEY, RequestOutcome, Wish
from worker.arrivals import Preview
from worker.exports.models import Export, Recall, Request
from worker.notifier.channels.delivery import Message
from worker.notifier.messages.deadlines import describe_deadlines
from worker.notifier.messages.events import (
    AnsweredEvent,
    answer_event,
    deadline_event,
    file_event,
    recall_event,
    refusal_event,
    registre_event,
    settled_event,
)
from worker.notifier.messages.request import RequestReport, describe_recall, describe_request
from worker.notifier.models import DEADLINES, Reminder
from worker.registre.models import Commune
from worker.work.queue import About, Claim

Today = Callable[[str], date]
"""Returns the civil day of a commune."""


def today_in(code_commune: str) -> date:
    """Return the civil day of a commune now."""
    return civil_day(now(), code_commune)


@dataclass(frozen=True)
class Notice(Message):
    """The message about a row, and the wishes of which a recipient needs one."""

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

    @property
    def request_id(self) -> int | None:
        """The number of the request, if the row is one."""
        return self.request.id if self.request else None

    def reply(self) -> Sequence[AnsweredEvent]:
        """Return the reply to the request; of a note of the screen that is recorded, nothing."""
        asked = self.request
        if asked is None or (asked.event_type == SCREEN_NOTE and not self._is_refused):
            return []
        return [(answer_event(asked), asked.sender)]

    def end(self) -> Sequence[AnsweredEvent]:
        """Return the events of the end, in their order; a refused request has none after its reply."""
        return [] if self._is_refused else self.events()

    @property
    def _is_refused(self) -> bool:
        return self.request is not None and self.request.outcome == RequestOutcome.REFUSED


@dataclass(frozen=True)
class Notices:
    """Reads notices; `public_url` is the address of the screen, if any.

    `spares_asker`: the agent who asked may download the files on the screen before the mail is sent.
    """

    public_url: str
    today: Today = today_in
    spares_asker: bool = False

    def read(self, session: Session, claim: Claim) -> Notice | None:
        """Return the notice of a work.

        There is none about a row that does not exist, or whose deadlines have all passed.
        """
        read = {
            About.REQUEST: self._read_request,
            About.RECALL: self._read_recall,
            About.REMINDER: self._read_reminder,
        }
        return read[claim.about](session, claim.subject_id)

    def _read_request(self, session: Session, request_id: int) -> Notice | None:
        query = _with_name(Request, request_id).options(joinedload(Request.exports))
        row = session.execute(query).unique().one_or_none()
        if row is None:
            return None
        request, nom = row
        is_it = or_(Preview.request_id == request_id, Preview.import_request_id == request_id)
        preview = None if request.exports else session.scalars(select(Preview).where(is_it)).first()
        report = RequestReport(request, _name(nom, request.code_commune), preview)
        about = f"{request.source}\n{request.event_id}"
        if request.code in WITHOUT_KEY:
            about += f"\n{request.payload_hash}"
        return Notice(
            about,
            cache(partial(describe_request, report, self.public_url)),
            partial(self._list_events, report),
            request.code_commune,
            report.wishes,
            request,
            request.requested_by if self.spares_asker and report.is_all_ready else "",
        )

    def _list_events(self, report: RequestReport) -> list[AnsweredEvent]:
        request = report.request
        there = [it for it in request.exports if it.purged_at is None]
        events = [file_event(request, it, self.public_url) for it in there]
        if request.exports:
            events.append(settled_event(request))
        elif report.is_refused:
            events.append(refusal_event(request))
        elif report.preview:
            events.append(registre_event(request, report.preview))
        return [(event, request.sender) for event in events]

    def _read_recall(self, session: Session, recall_id: int) -> Notice | None:
        row = session.execute(_with_name(Recall, recall_id)).one_or_none()
        if row is None:
            return None
        recall, nom = row
        of_recall = select(Export).where(Export.recall_id == recall.id).order_by(Export.id)
        exports = session.scalars(of_recall.options(joinedload(Export.request))).all()
        lieu = _name(nom, recall.code_commune)
        text = partial(describe_recall, recall, exports, lieu=lieu, public_url=self.public_url)
        events = [(recall_event(recall, it), it.request.sender) for it in exports]
        wishes = frozenset({Wish.READY, Wish.FAILED})
        return Notice(f"recall\n{recall.id}", text, lambda: events, recall.code_commune, wishes)

    def _read_reminder(self, session: Session, reminder_id: int) -> Notice | None:
        row = session.execute(_with_name(Reminder, reminder_id)).one_or_none()
        if row is None:
            return None
        reminder, nom = row
        code, day, today = reminder.code_commune, reminder.day, self.today(reminder.code_commune)
        known = DEADLINES.validate_python(reminder.echeances)
        deadlines = [it for it in known if it.until >= today]
        if not deadlines:
            return None
        lieu = _name(nom, code)
        text = partial(
            describe_deadlines,
            deadlines,
            commune=code,
            lieu=lieu,
            today=today,
            public_url=self.public_url,
        )
        events = [(deadline_event(code, day, it), "") for it in deadlines]
        wishes, until = frozenset({Wish.DEADLINE}), min(it.until for it in deadlines)
        about = f"rappel\n{code}\n{day}"
        return Notice(about, text, lambda: events, code, wishes, until=until)


def _with_name(table: Any, row_id: int) -> Select[Any, str | None]:  # noqa: ANN401 — a class of rows
    named = select(table, Commune.nom).outerjoin(Commune, Commune.code == table.code_commune)
    return named.where(table.id == row_id)


def _name(nom: str | None, code: str) -> str:
    return f"{nom} ({code})" if nom else code
