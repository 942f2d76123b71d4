"""One message to all whom it concerns: each is told once, and each waits for itself only when it has to wait."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from worker.db.engine import Sessions
from worker.db.types import seconds_between, utc_now
from worker.exports.audit import NOTIFIER, Action, record_audit
from worker.notifier.delivery import (
    GIVE_UP_SECONDS,
    Addressee,
    DeliveryDelayedError,
    DeliveryRefusedError,
    Message,
    Sender,
    backoff,
)
from worker.notifier.kinds import Channel, Wish
from worker.notifier.models import Notification, Recipient
from worker.notifier.recipients import read_addressees

REMOVED = "destinataire retiré"

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Subject:
    """What a message is about, in the table: a request, or a reminder."""

    code_commune: str
    request_id: int | None = None
    reminder_id: int | None = None

    @property
    def is_it(self) -> ColumnElement[bool]:
        """The rows of its notifications."""
        if self.request_id is not None:
            return Notification.request_id == self.request_id
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

    def __init__(self, sessions: Sessions, senders: Mapping[Channel, Sender]) -> None:
        self._sessions = sessions
        self._senders = senders

    def deliver(
        self, subject: Subject, message: Message, wishes: frozenset[Wish], before_each: Callable[[], None]
    ) -> Outcome:
        """Tell whoever has one of the wishes and is not yet told; the others, when they were to be told before.

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
        """Nobody else is to be told: it is too late."""
        with self._sessions.begin() as session:
            unsettled = subject.is_it, Notification.settled_at.is_(None)
            session.execute(update(Notification).where(*unsettled).values(settled_at=utc_now(), refusal=reason))

    def _enlist(self, session: Session, subject: Subject, message: Message, wanted: list[Addressee]) -> None:
        known = set(session.scalars(select(Notification.recipient).where(subject.is_it)))
        session.add_all(
            Notification(
                request_id=subject.request_id,
                reminder_id=subject.reminder_id,
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
