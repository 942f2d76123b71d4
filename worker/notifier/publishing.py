"""Publishes events: the reply to each event, the end of each file and request, recalls, deadlines and progress."""

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, Engine, or_, select
from sqlalchemy.orm import Session

from schemas.vocabulary import UNFINISHED, RequestOutcome
from worker.arrivals import Preview
from worker.error_policy import until_next_try
from worker.errors import EventsDelayedError
from worker.exports.models import Export, Request
from worker.notifier.messages.events import AnsweredEvent, PublishEvents, ReplyEvent
from worker.notifier.notices import Notice, Notices
from worker.notifier.recipients import delay_recalls, finish_and_note
from worker.work.models import About, WorkKind, subject_of
from worker.work.queue import Claim, NewWork, add, release

PROGRESS_SECONDS = 1.0
AWAY = "courtier RabbitMQ injoignable"

log = structlog.stdlib.get_logger(__name__)


class _Outgoing(NamedTuple):
    """A work, the row that it is about, and the events to publish."""

    claim: Claim
    notice: Notice | None
    events: Sequence[AnsweredEvent]


class EventPublishing:
    """Processes works that publish an event; `publish` is None where no program listens (the embedded mode)."""

    def __init__(
        self,
        engine: Engine,
        notices: Notices,
        publish: PublishEvents | None,
        reply: ReplyEvent = lambda _event, _reply_to: None,
    ) -> None:
        self._engine = engine
        self._notices = notices
        self._publish = publish
        self._reply = reply

    def handle(self, claims: Sequence[Claim]) -> None:
        """Publish the events of these works, in their order; what the broker does not confirm is tried again."""
        if self._publish is None:
            with Session(self._engine) as session, session.begin():
                finish_and_note(session, claims)
            return
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            outgoing = self._read(session, delay_recalls(session, claims))
        number = self._send(self._publish, outgoing)
        for one in outgoing[:number]:
            self._note_published(one)
        with Session(self._engine) as session, session.begin():
            _record(session, outgoing, number)

    def _read(self, session: Session, claims: Sequence[Claim]) -> list[_Outgoing]:
        notices: dict[tuple[About, int], Notice] = {}
        for about in {claim.about for claim in claims}:
            ids = {claim.subject_id for claim in claims if claim.about is about}
            notices |= {(about, row_id): it for row_id, it in self._notices.read(session, about, ids).items()}
        of_claims = [(claim, notices.get((claim.about, claim.subject_id))) for claim in claims]
        return [_Outgoing(claim, notice, notice.events_of(claim) if notice else ()) for claim, notice in of_claims]

    def _send(self, publish: PublishEvents, outgoing: Sequence[_Outgoing]) -> int:
        """Publish these events; return the number of works, from the first on, whose events the broker confirmed."""
        events = [event for one in outgoing for event in one.events]
        confirmed = len(events)
        try:
            if events:
                publish(events)
        except EventsDelayedError as trouble:
            log.warning("event_delayed", exc_info=True)
            confirmed = trouble.left
        return sum(total <= confirmed for total in accumulate(len(one.events) for one in outgoing))

    def _note_published(self, one: _Outgoing) -> None:
        if not one.notice:
            return
        request = one.notice.request
        for event, _ in one.events:
            if one.claim.kind is WorkKind.REPLY and request and request.reply_to:
                self._reply(event, request.reply_to)
            log.info("event_published", type=event.type, export_id=event.data.get("export_id"), **one.notice.log_keys)


def _record(session: Session, outgoing: Sequence[_Outgoing], published: int) -> None:
    connection, done = session.connection(), []
    for position, one in enumerate(outgoing):
        request = one.notice.request if one.notice else None
        if one.claim.kind is WorkKind.PROGRESS and request and request.completed_at is None:
            release(connection, one.claim, PROGRESS_SECONDS, counts=False)
        elif one.claim.kind is WorkKind.PROGRESS or position < published:
            done.append(one.claim)
        else:
            release(connection, one.claim, until_next_try(one.claim.waits), AWAY, counts=False)
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
