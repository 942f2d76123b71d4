"""One message to all whom it concerns: each gets it once, and each waits for itself only when it has to wait.

It concerns the agents of a commune, by mail, and the chats and webhooks that the operator added.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from worker.db.engine import Sessions
from worker.db.types import seconds_between, utc_now
from worker.exports.audit import NOTIFIER, Action, record_audit
from worker.exports.models import EVERY_COMMUNE
from worker.notifier.channels.delivery import (
    GIVE_UP_SECONDS,
    Addressee,
    ChannelSender,
    DeliveryDelayedError,
    DeliveryRefusedError,
    Message,
    backoff,
)
from worker.notifier.kinds import Channel, Topic, Wish, split_wishes
from worker.notifier.messages.content import Content, Tone
from worker.notifier.models import Agent, Notification, Recipient

REMOVED = "destinataire retiré"

_TOKEN_FIRST = frozenset({"slack", "discord"})
"""Where others have a host."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Subject:
    """What a message is about, in the table: a request, a reminder, or a recall."""

    code_commune: str
    request_id: int | None = None
    reminder_id: int | None = None
    recall_id: int | None = None

    @property
    def is_it(self) -> ColumnElement[bool]:
        """The rows of its notifications."""
        if self.request_id is not None:
            return Notification.request_id == self.request_id
        if self.recall_id is not None:
            return Notification.recall_id == self.recall_id
        return Notification.reminder_id == self.reminder_id


@dataclass(frozen=True)
class Outcome:
    """How far it is: recipients in all, mails and others that wait, seconds until the first of them is due."""

    recipients: int
    mails_waiting: int = 0
    others_waiting: int = 0
    delay: float = 0

    @property
    def is_done(self) -> bool:
        """Whether nobody waits."""
        return not (self.mails_waiting or self.others_waiting)


class Dispatcher:
    """Sends by the way of each recipient; what it does is recorded at once, one recipient at a time."""

    def __init__(self, sessions: Sessions, senders: Mapping[Channel, ChannelSender]) -> None:
        self._sessions = sessions
        self._senders = senders

    def deliver(
        self, subject: Subject, message: Message, wishes: frozenset[Wish], before_each: Callable[[], None]
    ) -> Outcome:
        """Notify whoever has one of the wishes and is not yet notified; the others, when they were to be before.

        `before_each` is called before something slow, and may raise LeaseLostError.
        """
        with self._sessions.begin() as session:
            addressees = read_addressees(session, subject.code_commune)
            wanted = [one for one in addressees.values() if one.wishes & wishes]
            self._enlist(session, subject, message, wanted)
            session.flush()
            due = self._read_due(session, subject)
        for row, age in due:
            before_each()
            self._try(row, age, addressees.get(row.recipient), message)
        return self._look(subject)

    def abandon(self, subject: Subject, reason: str) -> None:
        """Nobody else is to be notified: it is too late."""
        with self._sessions.begin() as session:
            unsettled = subject.is_it, Notification.settled_at.is_(None)
            session.execute(update(Notification).where(*unsettled).values(settled_at=utc_now(), refusal=reason))

    def _enlist(self, session: Session, subject: Subject, message: Message, wanted: list[Addressee]) -> None:
        known = set(session.scalars(select(Notification.recipient).where(subject.is_it)))
        session.add_all(
            Notification(
                request_id=subject.request_id,
                reminder_id=subject.reminder_id,
                recall_id=subject.recall_id,
                recipient=one.key,
                code_commune=subject.code_commune,
                subject=message.content.subject,
                kind=message.content.topic,
                channel=one.channel,
                address=one.shown,
                message_id=self._senders[one.channel].identify(message, one),
            )
            for one in wanted
            if one.key not in known
        )

    def _read_due(self, session: Session, subject: Subject) -> list[tuple[Notification, float]]:
        is_due = or_(Notification.not_before.is_(None), Notification.not_before <= utc_now())
        age = seconds_between(Notification.created_at, utc_now())
        query = select(Notification, age).where(subject.is_it, Notification.settled_at.is_(None), is_due)
        query = query.order_by(Notification.channel, Notification.id)
        return [(row, age) for row, age in session.execute(query)]

    def _try(self, row: Notification, age: float, addressee: Addressee | None, message: Message) -> None:
        with structlog.contextvars.bound_contextvars(channel=row.channel):
            if addressee is None:
                self._settle(row, refusal=REMOVED)
                return
            try:
                self._senders[addressee.channel].send(message, addressee, row.message_id)
            except DeliveryRefusedError as refusal:
                self._settle(row, attempts=row.attempts + 1, refusal=str(refusal))
                log.warning("message_refused")
                if refusal.is_gone:
                    self._disable(row.recipient)
            except DeliveryDelayedError as delay:
                self._postpone(row, age, delay)
            except Exception as surprise:
                log.exception("message_failed")  # the others are not to wait for who mends it
                self._postpone(row, age, DeliveryDelayedError(type(surprise).__name__))
            else:
                self._settle(row, attempts=row.attempts + 1, sent_at=utc_now())
                log.info("message_sent")

    def _postpone(self, row: Notification, age: float, delay: DeliveryDelayedError) -> None:
        log.warning("message_delayed", reason=str(delay))
        if age > GIVE_UP_SECONDS:
            days = round(GIVE_UP_SECONDS / 86_400)
            self._settle(row, attempts=row.attempts + 1, refusal=f"abandonné après {days} jours : {delay}")
            return
        seconds = max(backoff(row.attempts), delay.retry_after)
        self._change(row, attempts=row.attempts + 1, not_before=utc_now(seconds))

    def _settle(self, row: Notification, **values: object) -> None:
        self._change(row, settled_at=utc_now(), not_before=None, **values)

    def _change(self, row: Notification, **values: object) -> None:
        with self._sessions.begin() as session:
            session.execute(update(Notification).where(Notification.id == row.id).values(**values))

    def _disable(self, recipient_id: str) -> None:
        with self._sessions.begin() as session:
            is_it = Recipient.id == recipient_id, Recipient.disabled_at.is_(None)
            if session.execute(update(Recipient).where(*is_it).values(disabled_at=utc_now())).rowcount:  # type: ignore[attr-defined]
                record_audit(
                    session.connection(), Action.RECIPIENT_DISABLED, actor=NOTIFIER, detail=f"webhook {recipient_id}"
                )
        log.warning("recipient_disabled", recipient=recipient_id)

    def _look(self, subject: Subject) -> Outcome:
        waits = Notification.settled_at.is_(None)
        is_mail = Notification.channel == Channel.MAIL
        first = func.min(Notification.not_before).filter(waits)
        query = select(
            func.count(),
            func.count().filter(waits, is_mail),
            func.count().filter(waits, ~is_mail),
            seconds_between(utc_now(), first),
        ).where(subject.is_it)
        with self._sessions.begin() as session:
            number, mails, others, delay = session.execute(query).one()
        return Outcome(number, mails, others, max(delay or 0.0, 0.0))


def read_addressees(session: Session, code_commune: str) -> dict[str, Addressee]:
    """By key: whoever may be notified about a commune, mails first, since nobody waits for a chat."""
    return {one.key: one for one in (*_agents(session, code_commune), *_others(session, code_commune))}


def shown_address(address: str) -> str:
    """What may be shown of a chat's or a webhook's address, which is a secret: `https://hooks.example.org`."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "…"
    is_topic = parts.scheme.startswith("ntfy") and not parts.path.strip("/")
    has_host = parts.hostname and parts.scheme not in _TOKEN_FIRST and not is_topic
    return f"{parts.scheme}://{parts.hostname if has_host else '…'}"


def _agents(session: Session, code_commune: str) -> Iterator[Addressee]:
    """One mail per address, whoever many agents share it."""
    rows = session.execute(select(Agent.email, Agent.kinds).where(Agent.code_commune == code_commune))
    emails: dict[str, tuple[str, frozenset[Wish]]] = {}
    for email, kinds in sorted(rows):
        first, wishes = emails.get(email.casefold(), (email, frozenset()))
        emails[email.casefold()] = first, wishes | split_wishes(kinds)
    for key, (email, wishes) in emails.items():
        yield Addressee(f"{Channel.MAIL}:{key}", Channel.MAIL, email, email, wishes)


def _others(session: Session, code_commune: str) -> Iterator[Addressee]:
    concerned = Recipient.code_commune.in_([code_commune, EVERY_COMMUNE]), Recipient.disabled_at.is_(None)
    for row in session.scalars(select(Recipient).where(*concerned).order_by(Recipient.channel, Recipient.id)):
        yield make_addressee(row)


def make_addressee(row: Recipient) -> Addressee:
    """The chat or the webhook of a row."""
    return Addressee(
        row.id, Channel(row.channel), row.address, shown_address(row.address), split_wishes(row.kinds), row.secret
    )


def try_recipient(senders: Mapping[Channel, ChannelSender], addressee: Addressee, *, lieu: str) -> None:
    """Send it now, once; a webhook gets an empty batch, signed.

    Raises:
        DeliveryDelayedError: the recipient is away.
        DeliveryRefusedError: it refused.
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
    message = Message(f"essai\n{uuid4()}", content, tuple)
    sender = senders[addressee.channel]
    sender.send(message, addressee, sender.identify(message, addressee))
