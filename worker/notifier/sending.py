"""Sends messages to recipients, records the results, and publishes events.

The recipients are the agents of a commune by mail, and the chats and webhooks of the table `recipient`. The events:
the reply to each event, the end of each file and request, recalls, deadlines and progress.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    String,
    and_,
    case,
    cast,
    delete,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from common.calendrier import civil_time, now
from common.logs import request_keys
from schemas.envelope import trace_id_of
from schemas.topology import REQUEST_DECLARATION, SCREEN_NOTE
from schemas.vocabulary import UNFINISHED, Action, Channel, RequestOutcome, Wish, split_wishes
from worker.access.management import shown_address
from worker.access.models import EVERY_COMMUNE, Agent, Recipient
from worker.audit import NOTIFIER, record_audit
from worker.db.types import utc_now
from worker.error_policy import until_next_try
from worker.errors import TransientError
from worker.exports.lease import give_back
from worker.exports.models import Export, Request
from worker.notifier.channels.delivery import (
    GIVE_UP_SECONDS,
    Addressee,
    ChannelSender,
    DeliveryDelayedError,
    DeliveryRefusedError,
    Message,
    backoff,
)
from worker.notifier.messages.events import PublishEvent
from worker.notifier.messages.text import Topic, write
from worker.notifier.models import Notification
from worker.notifier.notices import Notice, Notices
from worker.work.queue import (
    About,
    Claim,
    NewWork,
    Work,
    WorkKind,
    WorkState,
    add,
    bury,
    finish,
    has_open,
    release,
    subject_of,
)

RECORD_SECONDS = 300.0
"""How long the result of a message is kept in memory while the database is away."""

REMOVED = "destinataire retiré"
TOO_LATE = "échéance passée avant l'envoi"

log = structlog.stdlib.get_logger(__name__)

_NOTIFIES = (WorkKind.EVENT, WorkKind.RECIPIENTS, WorkKind.MAIL, WorkKind.MESSAGE)
"""The kinds of work that notify of the end of a request."""

_SUBJECTS = {
    About.REQUEST: Notification.request_id,
    About.RECALL: Notification.recall_id,
    About.REMINDER: Notification.reminder_id,
}
"""The column of `notification` that names the subject of a message."""


def _is_message(claim: Claim) -> ColumnElement[bool]:
    return and_(_SUBJECTS[claim.about] == claim.subject_id, Notification.recipient == claim.part)


def finish_and_note(connection: Connection, claims: Sequence[Claim]) -> None:
    """Finish works, and set `notified_at` on their requests without open work, in the caller's transaction."""
    ids = _lock_requests(connection, claims)
    finish(connection, claims)
    note_notified(connection, ids)


def _lock_requests(connection: Connection, claims: Sequence[Claim]) -> list[int]:
    """Lock the requests of these works: of two loops that finish the last two works of one, the second waits."""
    ids = sorted(
        {it.subject_id for it in claims if it.about is About.REQUEST and it.kind in _NOTIFIES}
    )
    if ids:
        locked = select(Request.id).where(Request.id.in_(ids)).order_by(Request.id)
        connection.execute(
            locked.with_for_update(key_share=True)
        )  # a message of the request may be inserted meanwhile
    return ids


def note_notified(connection: Connection, request_ids: Collection[int]) -> None:
    """Set `notified_at` on those of the requests that are completed and have no open work."""
    if not request_ids:
        return
    is_over = (
        Request.id.in_(request_ids),
        Request.completed_at.is_not(None),
        Request.notified_at.is_(None),
    )
    is_silent = ~has_open(About.REQUEST, Request.id, _NOTIFIES)
    columns = Request.id, Request.correlation_id, Request.traceparent, Request.outcome
    notified = (
        update(Request).where(*is_over, is_silent).values(notified_at=utc_now()).returning(*columns)
    )
    for row in connection.execute(notified):
        keys = request_keys(row.correlation_id, trace_id_of(row.traceparent))
        log.info("request_notified", request_id=row.id, outcome=row.outcome, **keys)


def delay_or_bury(
    connection: Connection, claim: Claim, reason: str, seconds: float, *, counts: bool = True
) -> None:
    """Release a work that failed, until it is due in `seconds`; after three days, set it dead. `reason` is in French.

    The row of a message of a dead work is ended, and `notified_at` is set on the request if no other work is open.
    """
    if claim.age <= GIVE_UP_SECONDS:
        release(connection, claim, seconds, reason, counts=counts)
        return
    ids = _lock_requests(connection, [claim])
    reason = f"abandonné après {round(GIVE_UP_SECONDS / 86_400)} jours : {reason}"
    if bury(connection, claim, reason) and claim.kind in (
        WorkKind.MAIL,
        WorkKind.MESSAGE,
        WorkKind.SUMMARY,
    ):
        connection.execute(
            update(Notification)
            .where(_is_message(claim))
            .values(ended_at=utc_now(), refusal=reason)
        )
    note_notified(connection, ids)


def commit(engine: Engine, record: Callable[[Connection], None]) -> None:
    """Commit the result of a message, which would be sent again without it; while the database is away, retry."""

    def attempt() -> None:
        with engine.begin() as connection:
            record(connection)

    give_back(attempt, RECORD_SECONDS)


QUIET_SECONDS = 600
"""The agent who asked for files gets no mail if that agent downloads all of them within this time."""

MORNING, SOON_SECONDS = time(7), 3600
"""When an agent who chose one mail a day gets it, in the time of the commune; what is due within an hour is in it."""


def list_recipients(engine: Engine, notices: Notices, claims: Sequence[Claim]) -> None:
    """Add a work for each recipient of these messages about requests, recalls and reminders, in one transaction.

    The mail to the agent who asked is due later: it may be needless. One mail a day is due in the morning.
    """
    with Session(engine) as session, session.begin():
        claims = delay_recalls(session, claims)
        connection = session.connection()
        requests = _lock_requests(connection, claims)
        mine = finish(connection, claims)
        claims = [claim for claim in claims if claim.id in mine]
        read = notices.read(session, claims)
        addressees = read_addressees(connection, {it.code_commune for it in read.values()})
        works = defaultdict[float, list[NewWork]](list)
        for claim in claims:
            if notice := read.get(claim.subject):
                of_commune = addressees[notice.code_commune].values()
                wishing = [one for one in of_commune if one.wishes & notice.wishes]
                if notice.wishes and not wishing:
                    log.warning("no_recipient", **notice.log_keys)
                for one in wishing:
                    kind, seconds = plan(notice, one)
                    works[seconds].append(
                        NewWork(kind, claim.subject, one.key, claim.lane, claim.fair_tag)
                    )
            elif claim.about is About.REMINDER:
                log.warning("reminder_too_late", reminder_id=claim.subject_id)
        for seconds, some in works.items():
            add(connection, some, seconds=seconds)
        note_notified(connection, requests)


def plan(notice: Notice, one: Addressee) -> tuple[WorkKind, float]:
    """Return the kind of the work for a recipient, and in how many seconds it is due."""
    if one.channel is not Channel.MAIL:
        return WorkKind.MESSAGE, 0
    if Wish.DAILY in one.wishes:
        instant = civil_time(now(), notice.code_commune)
        day = instant.date() if instant.time() <= MORNING else instant.date() + timedelta(1)
        morning = datetime.combine(day, MORNING, instant.tzinfo)
        if day <= notice.until:
            return WorkKind.SUMMARY, morning.timestamp() - instant.timestamp()
    return WorkKind.MAIL, QUIET_SECONDS if notice.asker and one.agent == notice.asker else 0


def delay_recalls(session: Session, claims: Sequence[Claim]) -> list[Claim]:
    """Release the works of recalls with a request whose events are not all published; return the other works.

    Otherwise a program would receive last that such a file is ready. A mail has the state at the time of sending.
    """
    ids = {claim.subject_id for claim in claims if claim.about is About.RECALL}
    if not ids:
        return [*claims]
    files = select(Export.recall_id).join(Request, Request.id == Export.request_id).distinct()
    is_open = has_open(About.REQUEST, Request.id, (WorkKind.EVENT, WorkKind.RECIPIENTS))
    is_unsaid = or_(Request.completed_at.is_(None), is_open)
    early = set(session.scalars(files.where(Export.recall_id.in_(ids), is_unsaid)))
    waiting = [it for it in claims if it.about is About.RECALL and it.subject_id in early]
    for claim in waiting:
        release(session.connection(), claim, until_next_try(claim.waits), counts=False)
    return [claim for claim in claims if claim not in waiting]


def read_addressees(
    connection: Connection, codes: Collection[str]
) -> dict[str, dict[str, Addressee]]:
    """Return the recipients of each commune, by key: one for each mail address, however many agents share it.

    A shared address gets one mail a day if all its agents chose that.
    """
    found: dict[str, dict[str, Addressee]] = {code: {} for code in codes}
    agents = select(Agent).where(Agent.code_commune.in_(codes)).order_by(Agent.email, Agent.name)
    for row in connection.execute(agents):
        key, of_commune = f"{Channel.MAIL}:{row.email.casefold()}", found[row.code_commune]
        one = Addressee(key, Channel.MAIL, row.email, split_wishes(row.kinds), agent=row.name)
        if known := of_commune.get(key):
            daily = {Wish.DAILY} & known.wishes & one.wishes
            one = replace(
                known, wishes=(known.wishes | one.wishes) - {Wish.DAILY} | daily, agent=""
            )
        of_commune[key] = one
    concerned = Recipient.code_commune.in_([*codes, EVERY_COMMUNE]), Recipient.disabled_at.is_(None)
    for other in connection.execute(
        select(Recipient).where(*concerned).order_by(Recipient.channel, Recipient.id)
    ):
        for code in codes if other.code_commune == EVERY_COMMUNE else [other.code_commune]:
            found[code][other.id] = make_addressee(other)
    return found


ERASED = "[effacé]"
"""Replaces an erased name or address."""


def mask_addresses(connection: Connection, condition: ColumnElement[bool]) -> None:
    """Erase the addresses of these messages, except those that are not sent yet."""
    unique = literal(f"{ERASED} ").concat(cast(Notification.id, String))
    told = and_(condition, Notification.ended_at.is_not(None))
    addresses = select(Notification.recipient).where(told)
    connection.execute(delete(Work).where(Work.part.in_(addresses), Work.state == WorkState.DEAD))
    values = {
        "address": ERASED,
        "recipient": unique,
        "refusal": case((Notification.refusal != "", ERASED), else_=""),
    }
    connection.execute(update(Notification).where(told).values(values))


def mask_mail_addresses(connection: Connection, addresses: Iterable[str]) -> None:
    """Erase these mail addresses from messages that were sent to them."""
    mask_addresses(
        connection,
        Notification.recipient.in_([f"{Channel.MAIL}:{address}" for address in addresses]),
    )


def make_addressee(row: Recipient | Row[Any]) -> Addressee:
    """Return the chat or the webhook of a row."""
    return Addressee(row.id, Channel(row.channel), row.address, split_wishes(row.kinds), row.secret)


def try_recipient(
    senders: Mapping[Channel, ChannelSender], addressee: Addressee, *, lieu: str
) -> None:
    """Send one test message now; a webhook receives an empty signed batch.

    Raises:
        DeliveryDelayedError: the recipient is away.
        DeliveryRefusedError: the recipient refused.
    """
    subject = f"Message d'essai du Module Préfecture — {lieu}"
    summary = "Rien à faire : les prochains messages diront ce que deviennent les demandes."
    message = Message(
        f"essai\n{uuid4()}", partial(write, "mail.txt", Topic.READY, subject, summary=summary), dict
    )
    senders[addressee.channel].send(message, addressee)


def send_message(
    engine: Engine,
    notices: Notices,
    senders: Mapping[Channel, ChannelSender],
    claims: Sequence[Claim],
) -> None:
    """Process the work of one recipient: read and compose the message, send it, record the result.

    Several works are those of a summary, which is one mail. The row of `notification` is inserted before the first
    attempt. The message may be needless by then, or its recipient gone.
    """
    with Session(engine, expire_on_commit=False) as session, session.begin():
        found = [_prepare(session, notices, claim) for claim in claims]
    letters = [it for it in found if it]
    needed = [it.claim for it in letters]
    if needless := [it for it in claims if it not in needed]:
        commit(engine, partial(finish_and_note, claims=needless))
    together = [it for it in letters if it.notice and it.addressee]
    for group in filter(None, [together, *([it] for it in letters if it not in together)]):
        _send(engine, senders, group)


class _Letter(NamedTuple):
    claim: Claim
    row: Row[Any]
    notice: Notice | None
    addressee: Addressee | None


def _prepare(session: Session, notices: Notices, claim: Claim) -> _Letter | None:
    connection = session.connection()
    row = connection.execute(select(Notification).where(_is_message(claim))).one_or_none()
    notice = notices.read(session, [claim]).get(claim.subject)
    code = row.code_commune if row else notice.code_commune if notice else ""
    addressee = read_addressees(connection, {code})[code].get(claim.part)
    is_needless = notice and addressee and notice.is_opened and notice.asker == addressee.agent
    if row is None and notice and addressee and not is_needless:
        is_mail, text = addressee.channel is Channel.MAIL, notice.text()
        new = insert(Notification).values(
            **{_SUBJECTS[claim.about].key: claim.subject_id},
            recipient=addressee.key,
            code_commune=code,
            subject=text.subject,
            kind=text.topic,
            channel=addressee.channel,
            address=addressee.address if is_mail else shown_address(addressee.address),
        )
        row = connection.execute(new.returning(Notification)).one()
    return _Letter(claim, row, notice, addressee) if row and not row.sent_at else None


def _send(
    engine: Engine, senders: Mapping[Channel, ChannelSender], group: Sequence[_Letter]
) -> None:
    _, row, notice, addressee = group[0]
    failure: _Failure | None = None
    with structlog.contextvars.bound_contextvars(
        channel=row.channel, **(notice.log_keys if notice else {})
    ):
        try:
            if addressee and notice:
                message = _join([it.notice for it in group if it.notice])
                senders[addressee.channel].send(message, addressee)
                log.info("message_sent")
            else:
                failure = DeliveryRefusedError(TOO_LATE if addressee else REMOVED)
        except DeliveryRefusedError as refusal:
            log.warning("message_refused")
            failure = refusal
        except DeliveryDelayedError as delay:
            log.warning("message_delayed", reason=str(delay))
            failure = delay
        commit(engine, partial(_record_results, group=group, failure=failure))


def _join(notices: Sequence[Notice]) -> Message:
    if len(notices) == 1:
        return notices[0]
    texts = [it.text() for it in notices]
    subject = f"Résumé du jour : {len(texts)} messages"
    summary = "Voici ce qui s'est passé depuis le dernier courriel."
    text = partial(write, "summary.txt", Topic.READY, subject, summary=summary, texts=texts)
    return Message("\n".join(["résumé", *(it.about for it in notices)]), text, dict)


_Failure = DeliveryDelayedError | DeliveryRefusedError


def _record_results(
    connection: Connection, group: Sequence[_Letter], failure: _Failure | None
) -> None:
    _lock_requests(connection, [it.claim for it in group])
    for claim, row, *_ in group:
        if isinstance(failure, DeliveryDelayedError):
            is_away, least = failure.is_away, failure.retry_after
            _write(connection, row, attempts=claim.starts - int(is_away))
            pause = until_next_try(claim.waits) if is_away else backoff(claim.starts - 1)
            seconds = max(backoff(0), least) if least else pause
            delay_or_bury(connection, claim, str(failure), seconds, counts=not is_away)
            continue
        reason = str(failure or "")
        attempts = claim.starts - int(reason in (REMOVED, TOO_LATE))  # those were not tried
        values: dict[str, Any] = {"attempts": attempts, "ended_at": utc_now(), "refusal": reason}
        if failure is None:
            values["sent_at"] = utc_now()
        elif failure.is_gone:
            is_it = Recipient.id == row.recipient, Recipient.disabled_at.is_(None)
            disabled = (
                update(Recipient)
                .where(*is_it)
                .values(disabled_at=utc_now())
                .returning(Recipient.id)
            )
            if connection.scalars(disabled).all():
                record_audit(
                    connection,
                    Action.RECIPIENT_DISABLED,
                    actor=NOTIFIER,
                    detail=f"webhook {row.recipient}",
                )
                log.warning("recipient_disabled", recipient=row.recipient)
        elif (
            reason == REMOVED and row.channel == Channel.MAIL
        ):  # the agent's other messages were masked at the removal
            values |= {"address": ERASED, "recipient": f"{ERASED} {row.id}"}
        _write(connection, row, **values)
        finish_and_note(connection, [claim])


def _write(connection: Connection, row: Row[Any], **values: Any) -> None:  # noqa: ANN401 — columns
    connection.execute(update(Notification).where(Notification.id == row.id).values(values))


PROGRESS_SECONDS, MOST_SECONDS = 1.0, 60.0


def publish_events(
    engine: Engine, notices: Notices, publish: PublishEvent | None, claims: Sequence[Claim]
) -> None:
    """Publish the events of these works, in their order; the works of unconfirmed events are not finished.

    `publish` is None where no program listens (the embedded mode).

    Raises:
        TransientError: the broker is away.
    """
    with Session(engine, expire_on_commit=False) as session, session.begin():
        if publish is None:
            finish_and_note(session.connection(), claims)
            return
        claims = delay_recalls(session, claims)
        read = notices.read(session, claims)
        events = {
            it.id: read[it.subject].events_of(session, it) if it.subject in read else []
            for it in claims
        }
    done = list[Claim]()
    try:
        for claim in claims:
            for event, account in events[claim.id]:
                publish(event, account)
                keys = read[claim.subject].log_keys
                log.info(
                    "event_published",
                    type=event.type,
                    export_id=event.data.get("export_id"),
                    **keys,
                )
            done.append(claim)
    except TransientError:
        log.warning("event_delayed", exc_info=True)
        raise
    finally:
        with engine.begin() as connection:
            running = [it for it in done if it.kind is WorkKind.PROGRESS and events[it.id]]
            for claim in running:  # again later, the more works come first
                before = min(event.data.get("before", 0) for event, _ in events[claim.id])
                seconds = min(max(PROGRESS_SECONDS, before), MOST_SECONDS)
                release(connection, claim, seconds, counts=False)
            finish_and_note(connection, [it for it in done if it not in running])


_LANE_AGAIN = 1
"""Lane 1, after works for which a person waits."""


def publish_events_again(connection: Connection, account: str, since: datetime) -> int:
    """Add works for the events of an account's requests since then, without those of purged files; return how many."""
    mine = Request.sender == account, Request.created_at >= since
    ended = (
        Export.status.not_in(UNFINISHED),
        Export.purged_at.is_(None),
        Request.completed_at.is_not(None),
    )
    has_end = and_(Request.completed_at.is_not(None), Request.outcome != RequestOutcome.REFUSED)
    has_end &= Request.event_type.not_in([REQUEST_DECLARATION, SCREEN_NOTE])
    requests = connection.execute(select(Request.id, has_end.label("has_end")).where(*mine)).all()
    files = (
        select(Export.request_id, Export.id, Export.part, Export.recall_id)
        .join(Request)
        .where(*mine, *ended)
    )
    works = [
        NewWork(WorkKind.REPLY, subject_of(About.REQUEST, it.id), "", _LANE_AGAIN)
        for it in requests
    ]
    for file in connection.execute(files.order_by(Export.id)):
        works.append(
            NewWork(
                WorkKind.EVENT, subject_of(About.REQUEST, file.request_id), file.part, _LANE_AGAIN
            )
        )
        if file.recall_id is not None:
            works.append(
                NewWork(
                    WorkKind.EVENT,
                    subject_of(About.RECALL, file.recall_id),
                    str(file.id),
                    _LANE_AGAIN,
                )
            )
    ends = [subject_of(About.REQUEST, it.id) for it in requests if it.has_end]
    works += [NewWork(WorkKind.EVENT, subject, "", _LANE_AGAIN) for subject in ends]
    add(connection, works, again=True)
    return len(works)
