"""The recipients of a message: the agents of a commune by mail, and the chats and webhooks of the table `recipient`."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any
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
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from common.logs import request_keys
from schemas.envelope import trace_id_of
from schemas.vocabulary import Channel, Wish, split_wishes
from worker.access.management import shown_address
from worker.access.models import EVERY_COMMUNE, Agent, Recipient
from worker.db.types import utc_now
from worker.error_policy import until_next_try
from worker.exports.models import Export, Request
from worker.notifier.channels.delivery import GIVE_UP_SECONDS, Addressee, ChannelSender, Message, backoff
from worker.notifier.messages.content import Content, Tone, Topic
from worker.notifier.models import Notification
from worker.notifier.notices import Notice, Notices
from worker.work.models import About, Work, WorkKind, WorkState
from worker.work.queue import Claim, NewWork, add, bury, finish, has_open, release

TOO_LATE = "échéance passée avant l'envoi"

_NOTIFIES = (WorkKind.EVENT, WorkKind.RECIPIENTS, WorkKind.MAIL, WorkKind.MESSAGE)
"""The kinds of work that notify of the end of a request."""

log = structlog.stdlib.get_logger(__name__)


def column_of(about: About) -> InstrumentedAttribute[int | None]:
    """Return the column of `notification` that names the subject of a message."""
    columns = {About.REQUEST: Notification.request_id, About.RECALL: Notification.recall_id}
    return columns.get(about, Notification.reminder_id)


def finish_and_note(session: Session, claims: Sequence[Claim]) -> None:
    """Finish works, and set `notified_at` on their requests without open work, in the caller's transaction."""
    ids = _lock_requests(session, claims)
    finish(session.connection(), claims)
    note_notified(session, ids)


def _lock_requests(session: Session, claims: Sequence[Claim]) -> list[int]:
    """Lock the requests of these works: of two loops that finish the last two works of one, the second waits."""
    ids = sorted({it.subject_id for it in claims if it.about is About.REQUEST and it.kind in _NOTIFIES})
    if ids:
        session.execute(select(Request.id).where(Request.id.in_(ids)).order_by(Request.id).with_for_update())
    return ids


def note_notified(session: Session, request_ids: Collection[int]) -> None:
    """Set `notified_at` on those of the requests that are completed and have no open work."""
    if not request_ids:
        return
    is_over = Request.id.in_(request_ids), Request.completed_at.is_not(None), Request.notified_at.is_(None)
    is_silent = ~has_open(About.REQUEST, Request.id, _NOTIFIES)
    columns = Request.id, Request.correlation_id, Request.traceparent
    notified = update(Request).where(*is_over, is_silent).values(notified_at=utc_now()).returning(*columns)
    for row in session.execute(notified.execution_options(synchronize_session=False)):
        keys = request_keys(row.correlation_id, trace_id_of(row.traceparent))
        log.info("request_notified", request_id=row.id, **keys)


def delay_or_bury(session: Session, claim: Claim, reason: str) -> None:
    """Release a work that failed by an internal error; after three days, set it dead. `reason` is in French."""
    if claim.age <= GIVE_UP_SECONDS:
        release(session.connection(), claim, backoff(claim.starts - 1), reason)
        return
    bury_and_note(session, claim, reason)


def bury_and_note(session: Session, claim: Claim, reason: str) -> None:
    """Set a work dead and end the row of its message; set `notified_at` of the request if no other work is open."""
    ids = _lock_requests(session, [claim])
    if bury(session.connection(), claim, reason) and claim.kind in (WorkKind.MAIL, WorkKind.MESSAGE):
        is_it = column_of(claim.about) == claim.subject_id, Notification.recipient == claim.part
        session.execute(update(Notification).where(*is_it).values(ended_at=utc_now(), refusal=reason))
    note_notified(session, ids)


class ListRecipients:
    """Adds a row of `notification` and a work for each recipient of messages about requests, recalls and reminders."""

    def __init__(self, engine: Engine, notices: Notices, senders: Mapping[Channel, ChannelSender]) -> None:
        self._engine = engine
        self._notices = notices
        self._senders = senders

    def handle(self, claims: Sequence[Claim]) -> None:
        """List the recipients of all these messages, in one transaction for each table of subjects."""
        for about in About:
            of_table = [claim for claim in claims if claim.about is about]
            if of_table:
                with Session(self._engine) as session, session.begin():
                    self._list(session, about, of_table)

    def _list(self, session: Session, about: About, claims: Sequence[Claim]) -> None:
        claims = delay_recalls(session, claims)
        if about is About.REQUEST:
            _lock_requests(session, claims)
        mine = finish(session.connection(), claims)
        claims = [claim for claim in claims if claim.id in mine]
        ids = [claim.subject_id for claim in claims]
        notices = self._notices.read(session, about, ids)
        addressees = read_addressees(session, {it.code_commune for it in notices.values()})
        column = column_of(about)
        listed = set(session.execute(select(column, Notification.recipient).where(column.in_(ids))))
        works: list[NewWork] = []
        for claim in claims:
            if notice := notices.get(claim.subject_id):
                of_commune = addressees[notice.code_commune].values()
                wishing = [one for one in of_commune if one.wishes & notice.wishes]
                if notice.wishes and not wishing:
                    log.warning("no_recipient", **notice.log_keys)
                new = [one for one in wishing if (claim.subject_id, one.key) not in listed]
                session.add_all(self._notification(column, claim, notice, one) for one in new)
                works += [_message_work(claim, one.key, one.channel) for one in new]
            elif about is About.REMINDER:
                log.warning("reminder_too_late", reminder_id=claim.subject_id)
        session.flush()
        add(session.connection(), works)
        if about is About.REQUEST:
            note_notified(session, ids)

    def _notification(
        self, column: InstrumentedAttribute[int | None], claim: Claim, notice: Notice, one: Addressee
    ) -> Notification:
        return Notification(
            **{column.key: claim.subject_id},
            recipient=one.key,
            code_commune=notice.code_commune,
            subject=notice.content.subject,
            kind=notice.content.topic,
            channel=one.channel,
            address=one.shown,
            message_id=self._senders[one.channel].identify(notice, one),
        )


def _message_work(claim: Claim, recipient: str, channel: Channel) -> NewWork:
    kind = WorkKind.MAIL if channel is Channel.MAIL else WorkKind.MESSAGE
    return NewWork(kind, claim.subject, recipient, claim.lane, claim.fair_tag)


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


def read_addressees(session: Session, codes: Collection[str]) -> dict[str, dict[str, Addressee]]:
    """Return the recipients of each commune, by key."""
    found: dict[str, dict[str, Addressee]] = {code: {} for code in codes}
    for code, one in (*_agents(session, codes), *_others(session, codes)):
        found[code][one.key] = one
    return found


ERASED = "[effacé]"
"""Replaces an erased name or address."""


def mask_addresses(connection: Connection, condition: ColumnElement[bool]) -> None:
    """Erase the addresses of these messages, except those that are not sent yet."""
    unique = literal(f"{ERASED} ").concat(cast(Notification.id, String))
    told = and_(condition, Notification.ended_at.is_not(None))
    addresses = select(Notification.recipient).where(told)
    connection.execute(delete(Work).where(Work.part.in_(addresses), Work.state == WorkState.DEAD))
    values = {"address": ERASED, "recipient": unique, "refusal": case((Notification.refusal != "", ERASED), else_="")}
    connection.execute(update(Notification).where(told).values(values))


def mask_mail_addresses(connection: Connection, addresses: Iterable[str]) -> None:
    """Erase these mail addresses from messages that were sent to them."""
    mask_addresses(connection, Notification.recipient.in_([f"{Channel.MAIL}:{address}" for address in addresses]))


def _agents(session: Session, codes: Collection[str]) -> Iterator[tuple[str, Addressee]]:
    """Yield one addressee for each mail address of a commune, however many agents share it."""
    agents = select(Agent.code_commune, Agent.email, Agent.kinds).where(Agent.code_commune.in_(codes))
    emails: dict[tuple[str, str], tuple[str, frozenset[Wish]]] = {}
    for code, email, kinds in sorted(session.execute(agents)):
        first, wishes = emails.get((code, email.casefold()), (email, frozenset()))
        emails[code, email.casefold()] = first, wishes | split_wishes(kinds)
    for (code, key), (email, wishes) in emails.items():
        yield code, Addressee(f"{Channel.MAIL}:{key}", Channel.MAIL, email, email, wishes)


def _others(session: Session, codes: Collection[str]) -> Iterator[tuple[str, Addressee]]:
    concerned = Recipient.code_commune.in_([*codes, EVERY_COMMUNE]), Recipient.disabled_at.is_(None)
    for row in session.scalars(select(Recipient).where(*concerned).order_by(Recipient.channel, Recipient.id)):
        for code in codes if row.code_commune == EVERY_COMMUNE else [row.code_commune]:
            yield code, make_addressee(row)


def make_addressee(row: Recipient | Row[Any]) -> Addressee:
    """Return the chat or the webhook of a row."""
    return Addressee(
        row.id, Channel(row.channel), row.address, shown_address(row.address), split_wishes(row.kinds), row.secret
    )


def try_recipient(senders: Mapping[Channel, ChannelSender], addressee: Addressee, *, lieu: str) -> None:
    """Send one test message now; a webhook receives an empty signed batch.

    Raises:
        DeliveryDelayedError: the recipient is away.
        DeliveryRefusedError: the recipient refused.
    """
    title = "Message d'essai du Module Préfecture"
    content = Content(
        topic=Topic.READY,
        tone=Tone.QUIET,
        subject=f"{title} — {lieu}",
        title=title,
        lieu=lieu,
        summary="Rien à faire : les prochains messages diront ce que deviennent les demandes.",
        circumstances=(),
        items=(),
        warnings=(),
        link=None,
        advice=(),
        reference=None,
    )
    message = Message(f"essai\n{uuid4()}", lambda: content, tuple)
    sender = senders[addressee.channel]
    sender.send(message, addressee, sender.identify(message, addressee))
