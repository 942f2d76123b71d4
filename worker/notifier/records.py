"""Records the results of the notifier's works: what is finished, delayed or given up, and who was notified."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, and_, func, select, update

from common.logs import request_keys
from schemas.envelope import trace_id_of
from schemas.topology import EVENT_ECHEANCE_NEAR
from worker.db.types import insert_into, utc_now
from worker.exports.lease import repeat_until_recorded
from worker.exports.models import Request
from worker.notifier.channels.delivery import GIVE_UP_SECONDS
from worker.notifier.messages.events import AnsweredEvent
from worker.notifier.models import TO_EVERYBODY, Answer, Notification
from worker.work.queue import About, Claim, NewWork, WorkKind, add, bury, finish, has_open, release

RECORD_SECONDS = 300.0
"""How long the result of a message is kept in memory while the database is away."""

NOTIFIES = WorkKind.END, WorkKind.MAIL, WorkKind.WEBHOOK
"""The kinds of work that notify of the end of a request."""

MESSAGES = WorkKind.MAIL, WorkKind.SUMMARY, WorkKind.WEBHOOK
"""The kinds of work that send a message to a recipient."""

SUBJECTS = {
    About.REQUEST: Notification.request_id,
    About.RECALL: Notification.recall_id,
    About.REMINDER: Notification.reminder_id,
}
"""The column of `notification` that names the subject of a message."""

_FEED_LOCK = 0x66656564  # « feed »

log = structlog.stdlib.get_logger(__name__)


def is_message(claim: Claim) -> ColumnElement[bool]:
    """Whether a row of `notification` is that of this work."""
    return and_(SUBJECTS[claim.about] == claim.subject_id, Notification.recipient == claim.part)


def record(engine: Engine, write: Callable[[Connection], None]) -> None:
    """Commit the result of a work, which would be done again without it; while the database is away, retry."""

    def attempt() -> None:
        with engine.begin() as connection:
            write(connection)

    repeat_until_recorded(attempt, RECORD_SECONDS)


def add_to_feed(
    connection: Connection, events: Sequence[AnsweredEvent], request_id: int | None
) -> None:
    """Add published events to the feed of their accounts, those that it lacks; last in the caller's transaction.

    The lock gives the rows their numbers in the order of the commits: a program that has read one has missed none
    before it.
    """
    if not events:
        return
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time
        connection.execute(select(func.pg_advisory_xact_lock(_FEED_LOCK)))
    rows = [
        {
            "account": TO_EVERYBODY if event.type == EVENT_ECHEANCE_NEAR else account,
            "code_commune": event.data.get("commune") or "",
            "request_id": request_id,
            "event_id": event.id,
            "event": event.model_dump_json(exclude_none=True),
        }
        for event, account in events
    ]
    connection.execute(insert_into(connection, Answer).on_conflict_do_nothing(), rows)


def finish_and_note(
    connection: Connection, claims: Sequence[Claim], then: Sequence[NewWork] = ()
) -> None:
    """Finish works, and set `notified_at` on their requests without open work, in the caller's transaction.

    `then`: works to add if the first ones were still held; the requests wait for these.
    """
    ids = [] if then else lock_requests(connection, claims)
    if finish(connection, claims):
        add(connection, then)
    _note_notified(connection, ids)


def delay_or_bury(
    connection: Connection, claim: Claim, reason: str, seconds: float, *, counts: bool = True
) -> None:
    """Release a work that failed, until it is due in `seconds`; after three days, set it dead. `reason` is in French.

    The row of a message of a dead work is ended, and `notified_at` is set on the request if no other work is open.
    """
    if claim.age <= GIVE_UP_SECONDS:
        release(connection, claim, seconds, reason, counts=counts)
        return
    ids = lock_requests(connection, [claim])
    reason = f"abandonné après {round(GIVE_UP_SECONDS / 86_400)} jours : {reason}"
    if bury(connection, claim, reason) and claim.kind in MESSAGES:
        ended = update(Notification).where(is_message(claim))
        connection.execute(ended.values(ended_at=utc_now(), refusal=reason))
    _note_notified(connection, ids)


def delay(engine: Engine, claim: Claim, reason: str, seconds: float) -> None:
    """Record that a work failed: see `delay_or_bury`."""
    record(engine, partial(delay_or_bury, claim=claim, reason=reason, seconds=seconds))


def postpone(engine: Engine, claim: Claim, reason: str, seconds: float) -> None:
    """Record that a work waits for something that is away; its start is not counted."""

    def write(connection: Connection) -> None:
        release(connection, claim, seconds, reason, counts=False)

    record(engine, write)


def lock_requests(connection: Connection, claims: Sequence[Claim]) -> list[int]:
    """Lock the requests of these works: of two loops that finish the last two works of one, the second waits."""
    ids = {it.subject_id for it in claims if it.about is About.REQUEST and it.kind in NOTIFIES}
    if ids:
        locked = select(Request.id).where(Request.id.in_(ids)).order_by(Request.id)
        # a message of the request may be inserted meanwhile
        connection.execute(locked.with_for_update(key_share=True))
    return sorted(ids)


def _note_notified(connection: Connection, request_ids: Collection[int]) -> None:
    if not request_ids:
        return
    is_over = (
        Request.id.in_(request_ids),
        Request.completed_at.is_not(None),
        Request.notified_at.is_(None),
    )
    is_silent = ~has_open(About.REQUEST, Request.id, NOTIFIES)
    columns = Request.id, Request.correlation_id, Request.traceparent, Request.outcome
    notified = update(Request).where(*is_over, is_silent).values(notified_at=utc_now())
    for row in connection.execute(notified.returning(*columns)):
        keys = request_keys(row.correlation_id, trace_id_of(row.traceparent))
        log.info("request_notified", request_id=row.id, outcome=row.outcome, **keys)
