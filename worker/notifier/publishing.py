"""Publishes events: the reply to each request, then all events of its end; those of recalls and reminders.

The work of an end also adds a work for each recipient. A process that dies in between publishes the
events once more, with the same ids.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta

import structlog
from sqlalchemy import Connection, Engine, select
from sqlalchemy.orm import Session

from common.calendrier import civil_time, now
from schemas.vocabulary import Channel, Wish
from worker.exports.models import Export, Request
from worker.notifier.channels.delivery import Addressee
from worker.notifier.messages.events import AnsweredEvent, PublishEvent
from worker.notifier.notices import Notice, Notices
from worker.notifier.recipients import read_addressees
from worker.notifier.records import add_to_feed, finish_and_note, record
from worker.work.queue import (
    BATCH,
    About,
    Claim,
    NewWork,
    WorkKind,
    add,
    has_open,
    subject_of,
    withdraw,
)

QUIET_SECONDS = 600
"""The agent who asked for files gets no mail if that agent downloads all of them within this time."""

MORNING = time(7)
"""When an agent who chose one mail a day gets it, in the time of the commune."""

EVENTS_ONLY = "events"
"""The part of a work that publishes the events of an end again, and sends no message."""

log = structlog.stdlib.get_logger(__name__)


def publish_reply(
    engine: Engine, notices: Notices, publish: PublishEvent | None, claims: Sequence[Claim]
) -> None:
    """Publish the reply to the request of a work, add it to the feed, and finish the work.

    Raises:
        TransientError: the broker is away.
    """
    with Session(engine, expire_on_commit=False) as session, session.begin():
        notice = notices.read(session, claims[0])
    events = notice.reply() if notice else ()
    if notice:
        _publish(publish, notice, events)

    def finish_it(connection: Connection) -> None:
        finish_and_note(connection, claims)
        add_to_feed(connection, events, notice.request_id if notice else None)

    record(engine, finish_it)


def announce_end(
    engine: Engine, notices: Notices, publish: PublishEvent | None, claims: Sequence[Claim]
) -> None:
    """Publish the events of an end in their order, then add them to the feed and a work for each recipient.

    The work is finished in the same transaction. `publish` is None without a broker (the embedded mode).

    Raises:
        TransientError: the broker is away.
    """
    works, replied, events = list[NewWork](), list[str](), list[AnsweredEvent]()
    claim = claims[0]
    with Session(engine, expire_on_commit=False) as session, session.begin():
        notice = notices.read(session, claim)
        known = read_addressees(session.connection(), notice.code_commune) if notice else {}
        awaits_reply = _awaits_reply(session, claim)
    if notice:
        events += notice.end()
        if (
            events and awaits_reply
        ):  # it is the first event, and its own work has nothing left to do
            events = [*notice.reply(), *events]
            replied = [claim.subject]
        _publish(publish, notice, events)
        for one in _choose(notice, known.values()) if claim.part != EVENTS_ONLY else ():
            kind, seconds = plan(notice, one)
            work = NewWork(kind, claim.subject, one.key, claim.lane, claim.fair_tag)
            works.append(work._replace(seconds=seconds))
    else:
        log.warning("nothing_to_announce", subject=claim.subject)

    def finish_both(connection: Connection) -> None:
        finish_and_note(connection, claims, works)
        withdraw(connection, [WorkKind.REPLY], replied)
        add_to_feed(connection, events, notice.request_id if notice else None)

    record(engine, finish_both)


def _awaits_reply(session: Session, claim: Claim) -> bool:
    is_open = has_open(About.REQUEST, Request.id, [WorkKind.REPLY])
    is_it = Request.id == claim.subject_id
    return claim.about is About.REQUEST and bool(session.scalar(select(is_open).where(is_it)))


def _publish(publish: PublishEvent | None, notice: Notice, events: Sequence[AnsweredEvent]) -> None:
    if publish is None:
        return
    for event, account in events:
        publish(event, account)
        about = event.data.get("export_id")
        log.info("event_published", type=event.type, export_id=about, **notice.log_keys)


def _choose(notice: Notice, known: Iterable[Addressee]) -> list[Addressee]:
    chosen = [one for one in known if one.wishes & notice.wishes]
    if notice.wishes and not chosen:
        log.warning("no_recipient", **notice.log_keys)
    return chosen


def plan(notice: Notice, one: Addressee) -> tuple[WorkKind, float]:
    """Return the kind of the work for a recipient, and in how many seconds it is due.

    The mail to the agent who asked is due later: it may be needless. One mail a day is due in the
    morning.
    """
    if one.channel is not Channel.MAIL:
        return WorkKind.WEBHOOK, 0
    if Wish.DAILY in one.wishes:
        instant = civil_time(now(), notice.code_commune)
        day = instant.date() if instant.time() <= MORNING else instant.date() + timedelta(1)
        morning = datetime.combine(day, MORNING, instant.tzinfo)
        if day <= notice.until:
            return WorkKind.SUMMARY, morning.timestamp() - instant.timestamp()
    return WorkKind.MAIL, QUIET_SECONDS if notice.asker and one.agent == notice.asker else 0


def publish_events_again(connection: Connection, account: str, since: datetime) -> int:
    """Add works that publish the events of an account's requests since then; return the number of requests.

    The events have the same ids as before; purged files have none. No recipient is notified.
    """
    mine = Request.sender == account, Request.created_at >= since
    requests = connection.execute(select(Request.id, Request.completed_at).where(*mine)).all()
    works = [
        NewWork(WorkKind.REPLY, subject_of(About.REQUEST, it.id), "", BATCH) for it in requests
    ]
    ended = [subject_of(About.REQUEST, it.id) for it in requests if it.completed_at is not None]
    recalled = select(Export.recall_id).join(Request).where(*mine)
    ended += [subject_of(About.RECALL, it) for it in connection.scalars(recalled.distinct()) if it]
    works += [NewWork(WorkKind.END, subject, EVENTS_ONLY, BATCH) for subject in ended]
    add(connection, works, again=True)
    return len(requests)
