"""One message to all whom it concerns: each gets it once, and each waits for itself only when it has to wait.

It concerns the agents of a commune, by mail, and the chats and webhooks that the operator added.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from schemas.vocabulary import Wish
from worker.db.engine import Sessions
from worker.db.types import seconds_between, utc_now
from worker.error_policy import is_waited_for
from worker.exports.audit import NOTIFIER, Action, record_audit
from worker.exports.models import EVERY_COMMUNE
from worker.notifier.channels.delivery import (
    GIVE_UP_SECONDS,
    LONGEST_DIALOGUE_SECONDS,
    Addressee,
    Channel,
    ChannelSender,
    DeliveryDelayedError,
    DeliveryRefusedError,
    Message,
    backoff,
    split_wishes,
)
from worker.notifier.messages.content import Content, Tone, Topic
from worker.notifier.models import Agent, Notification, Recipient

REMOVED = "destinataire retiré"

PATIENCE_SECONDS = 5.0
"""How long others wait for a mail server at most."""

MAILS_AT_ONCE = 8
"""Under way at the same time; others are put off, since a server that is slow is not to be given more."""

MAILS_TOGETHER = 4
"""How many of them a notifier waits for at the same time: a server's answers take longer than to word the next mail."""

HELD_SECONDS = LONGEST_DIALOGUE_SECONDS + 60
"""How long nobody else tries a mail that is under way."""

LOOK_AGAIN_SECONDS = 10.0
"""How late it is noted that everybody was notified, after the last mail that was under way."""

TOGETHER_SECONDS = 0.5
"""How long messages are sent before what became of them is recorded, and others have their turn."""

_PAUSE_SECONDS = 1.0

_TOKEN_FIRST = frozenset({"slack", "discord"})
"""Where others have a host."""

log = structlog.stdlib.get_logger(__name__)


class About(StrEnum):
    """What messages are about; the column of their rows that says which."""

    REQUEST = "request_id"
    REMINDER = "reminder_id"
    RECALL = "recall_id"

    @property
    def column(self) -> InstrumentedAttribute[Any]:
        """The column itself."""
        return getattr(Notification, self)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Parcel:
    """A message on its way: what it is about, for whom, and what log lines about it bear."""

    subject_id: int
    code_commune: str
    message: Message
    wishes: frozenset[Wish]
    log_keys: Mapping[str, Any]


@dataclass(frozen=True)
class Fate:
    """What became of a message: what its row says from now on, and whether its recipient is to be sent no more."""

    row: Notification
    values: Mapping[str, Any]
    is_gone: bool = False


Write = Callable[[Sequence[Fate]], None]


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
    """Sends by the way of each recipient, some mails at a time; what became of them is recorded together, soon.

    Whoever is killed before that sends some of them again, under the same ids. A mail that its server takes its time
    for goes on in a thread of its own, after `patience_seconds`: others are told meanwhile, and nobody tries it again
    before the longest dialogue is over.
    """

    def __init__(
        self,
        sessions: Sessions,
        senders: Mapping[Channel, ChannelSender],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        mails_together: int = MAILS_TOGETHER,
    ) -> None:
        self._sessions = sessions
        self._senders = senders
        self._patience = patience_seconds
        self._together = mails_together
        self._places = threading.BoundedSemaphore(MAILS_AT_ONCE)
        self._sendings: set[_Sending] = set()
        self._late: list[threading.Thread] = []

    @property
    def is_on_record(self) -> bool:
        """Whether what became of every message is written down, or that nobody is to send it meanwhile."""
        self._late = [thread for thread in self._late if thread.is_alive()]
        return not self._late and not any(it.is_under_way and not it.is_held for it in self._sendings)

    def finish(self, seconds: float) -> None:
        """Wait for the mails under way, so long at most: one that is cut off may come twice."""
        deadline = time.monotonic() + seconds
        for sending in self._sendings:
            sending.join(deadline - time.monotonic())

    def deliver(self, about: About, parcels: Sequence[Parcel], before_each: Callable[[], None]) -> Sequence[Outcome]:
        """Notify whoever has one of the wishes and is not yet notified; the others, when they were to be before.

        How far each is, of as many parcels as there was time for, one at least: who waits behind them may have another
        notifier. `before_each` is called before something slow, and may raise LeaseLostError.
        """
        due: dict[int, list[tuple[Notification, float]]] = {parcel.subject_id: [] for parcel in parcels}
        with self._sessions.begin() as session:
            addressees = read_addressees(session, {parcel.code_commune for parcel in parcels})
            new = self._enlist(session, about, parcels, addressees)
            session.flush()
            for row, age in self._read_due(session, about, list(due)):
                due[getattr(row, about)].append((row, age))
                if row not in new and _was_perhaps_sent(row):
                    log.warning("message_perhaps_sent", channel=row.channel)
                    row.may_be_copy = True
        served, results, begun = 0, _Results(self._write, self._late, self._patience), time.monotonic()
        try:
            for parcel in parcels:
                if served and time.monotonic() > begun + TOGETHER_SECONDS:
                    break
                with structlog.contextvars.bound_contextvars(**parcel.log_keys):
                    for row, age in due[parcel.subject_id]:
                        before_each()
                        addressee = addressees[parcel.code_commune].get(row.recipient)
                        result = self._try(row, age, addressee, parcel.message, results)
                        results.add(result)
                        if result and result.is_gone:
                            results.record()
                            for known in addressees.values():
                                known.pop(row.recipient, None)
                served += 1
        finally:
            try:
                results.wait_for_mails()
            finally:
                results.record()
        self._leave(row for parcel in parcels[served:] for row, _ in due[parcel.subject_id])
        return self._look(about, [parcel.subject_id for parcel in parcels[:served]])

    def _leave(self, rows: Iterable[Notification]) -> None:
        """Say that these were not tried, by an instant that is over."""
        untried = [row.id for row in rows if not row.attempts and row.not_before is None]
        if untried:
            with self._sessions.begin() as session:
                is_it = Notification.id.in_(untried)
                session.execute(update(Notification).where(is_it).values(not_before=Notification.created_at))

    def abandon(self, about: About, subject_id: int, reason: str) -> None:
        """Nobody else is to be notified: it is too late."""
        with self._sessions.begin() as session:
            unsettled = about.column == subject_id, Notification.settled_at.is_(None)
            session.execute(update(Notification).where(*unsettled).values(settled_at=utc_now(), refusal=reason))

    def _enlist(
        self,
        session: Session,
        about: About,
        parcels: Sequence[Parcel],
        addressees: Mapping[str, Mapping[str, Addressee]],
    ) -> Sequence[Notification]:
        ids = [parcel.subject_id for parcel in parcels]
        enlisted = select(about.column, Notification.recipient).where(about.column.in_(ids))
        known = {(subject_id, recipient) for subject_id, recipient in session.execute(enlisted)}
        new = [
            Notification(
                **{about: parcel.subject_id},
                recipient=one.key,
                code_commune=parcel.code_commune,
                subject=parcel.message.content.subject,
                kind=parcel.message.content.topic,
                channel=one.channel,
                address=one.shown,
                message_id=self._senders[one.channel].identify(parcel.message, one),
            )
            for parcel in parcels
            for one in addressees[parcel.code_commune].values()
            if one.wishes & parcel.wishes and (parcel.subject_id, one.key) not in known
        ]
        session.add_all(new)
        return new

    def _read_due(self, session: Session, about: About, ids: Sequence[int]) -> list[tuple[Notification, float]]:
        is_due = or_(Notification.not_before.is_(None), Notification.not_before <= utc_now())
        age = seconds_between(Notification.created_at, utc_now())
        query = select(Notification, age).where(about.column.in_(ids), Notification.settled_at.is_(None), is_due)
        query = query.order_by(Notification.channel, Notification.id)
        return [(row, age) for row, age in session.execute(query)]

    def _try(
        self,
        row: Notification,
        age: float,
        addressee: Addressee | None,
        message: Message,
        results: "_Results",
    ) -> Fate | None:
        """What is to be recorded; None for a mail, whose result is waited for among `results`."""
        with structlog.contextvars.bound_contextvars(channel=row.channel):
            if addressee is None:
                return Fate(row, _settled(refusal=REMOVED))
            if addressee.channel is not Channel.MAIL:
                return self._send(row, age, addressee, message)
            results.wait_for_mails(self._together - 1)
            while not (has_place := self._places.acquire(blocking=False)) and results.mails:
                results.wait_for_mails(len(results.mails) - 1)
            if not has_place:
                return _postpone(row, age, DeliveryDelayedError("too many mails under way", is_away=True))
            hold = partial(self._write, [Fate(row, {"not_before": utc_now(HELD_SECONDS)})])
            send = partial(self._send, row, age, addressee, message)
            sending = _Sending(send, self._write, self._places.release, hold)
            self._sendings = {it for it in self._sendings if it.is_under_way} | {sending}
            results.mails.append(sending)
            return None

    def _send(self, row: Notification, age: float, addressee: Addressee, message: Message) -> Fate:
        """Hand the message over; what is to be recorded of it."""
        try:
            self._senders[addressee.channel].send(message, addressee, row.message_id)
        except DeliveryRefusedError as refusal:
            log.warning("message_refused")
            return Fate(row, _settled(attempts=row.attempts + 1, refusal=str(refusal)), refusal.is_gone)
        except DeliveryDelayedError as delay:
            return _postpone(row, age, delay)
        except Exception as surprise:
            log.exception("message_failed")  # the others are not to wait for who mends it
            return _postpone(row, age, DeliveryDelayedError(type(surprise).__name__))
        log.info("message_sent")
        return Fate(row, _SENT)

    def _write(self, results: Sequence[Fate]) -> None:
        sent = [result.row.id for result in results if result.values is _SENT]
        with self._sessions.begin() as session:
            if sent:
                session.execute(update(Notification).where(Notification.id.in_(sent)).values(_SENT))
            for result in results:
                if result.values is not _SENT:
                    is_it = Notification.id == result.row.id
                    session.execute(update(Notification).where(is_it).values(result.values))
                if result.is_gone:
                    self._disable(session, result.row.recipient)

    def _disable(self, session: Session, recipient_id: str) -> None:
        is_it = Recipient.id == recipient_id, Recipient.disabled_at.is_(None)
        if session.execute(update(Recipient).where(*is_it).values(disabled_at=utc_now())).rowcount:  # type: ignore[attr-defined]
            record_audit(
                session.connection(), Action.RECIPIENT_DISABLED, actor=NOTIFIER, detail=f"webhook {recipient_id}"
            )
            log.warning("recipient_disabled", recipient=recipient_id)

    def _look(self, about: About, ids: Sequence[int]) -> Sequence[Outcome]:
        waits = Notification.settled_at.is_(None)
        is_mail = Notification.channel == Channel.MAIL
        first = func.min(Notification.not_before).filter(waits)
        query = select(
            about.column,
            func.count(),
            func.count().filter(waits, is_mail),
            func.count().filter(waits, ~is_mail),
            seconds_between(utc_now(), first),
        ).where(about.column.in_(ids))
        with self._sessions.begin() as session:
            found = {row[0]: tuple(row[1:]) for row in session.execute(query.group_by(about.column))}
        most = LOOK_AGAIN_SECONDS if any(it.is_under_way for it in self._sendings) else math.inf
        outcomes = []
        for subject_id in ids:
            number, mails, others, delay = found.get(subject_id, (0, 0, 0, None))
            outcomes.append(Outcome(number, mails, others, min(max(delay or 0.0, 0.0), most)))
        return outcomes


_SENT: Mapping[str, Any] = {
    "settled_at": utc_now(),
    "sent_at": utc_now(),
    "not_before": None,
    "attempts": Notification.attempts + 1,
}


def _was_perhaps_sent(row: Notification) -> bool:
    """Whether somebody took it up before and left no word of it: killed, perhaps between the dot and the record."""
    is_untried = row.not_before is not None and row.not_before <= row.created_at
    return row.channel == Channel.MAIL and not row.attempts and not is_untried


def _settled(**values: object) -> Mapping[str, object]:
    return {"settled_at": utc_now(), "not_before": None, **values}


def _postpone(row: Notification, age: float, delay: DeliveryDelayedError) -> Fate:
    log.warning("message_delayed", reason=str(delay), may_be_sent=delay.is_uncertain)
    attempts = row.attempts + 1
    if age > GIVE_UP_SECONDS:
        days = round(GIVE_UP_SECONDS / 86_400)
        return Fate(row, _settled(attempts=attempts, refusal=f"abandonné après {days} jours : {delay}"))
    seconds = max(backoff(row.attempts, is_away=delay.is_away), delay.retry_after)
    values = {"attempts": attempts, "not_before": utc_now(seconds)}
    return Fate(row, values | ({"may_be_copy": True} if delay.is_uncertain else {}))


class _Results:
    """What became of messages, recorded together: by who is done, or when the first of them is not to wait longer."""

    def __init__(self, write: Write, late: list[threading.Thread], patience: float) -> None:
        self._write = write
        self._late = late
        self._patience = patience
        self.mails = deque[_Sending]()
        """Those that are not waited for yet, the first first."""
        self._waiting: list[Fate] = []
        self._since = math.inf

    def add(self, result: Fate | None) -> None:
        """One more; None where there is nothing to record."""
        if result is None:
            return
        self._since = min(self._since, time.monotonic())
        self._waiting.append(result)
        if time.monotonic() > self._since + TOGETHER_SECONDS:
            self.record()

    def wait_for_mails(self, most: int = 0) -> None:
        """Until so many are under way at most, or take longer than one waits."""
        while len(self.mails) > most:
            self.add(self.mails.popleft().wait(self._patience))

    def record(self) -> None:
        """Write them down now: all in one transaction, else each in its own; an absent database is waited for."""
        waiting, self._waiting, self._since = self._waiting, [], math.inf
        if not waiting:
            return
        try:
            self._write(waiting)
        except Exception as error:
            if is_waited_for(error):
                record = partial(self._write, waiting)
                thread = threading.Thread(target=copy_context().run, args=(_record_late, record), daemon=True)
                thread.start()
                self._late.append(thread)
                raise
            if len(waiting) == 1:
                raise
            for result in waiting:
                self.add(result)
                self.record()


class _Sending:
    """One mail on its way, in a thread of its own.

    `leave` is called when it is over, `hold` when nobody waits for it any longer.
    """

    def __init__(
        self, send: Callable[[], Fate], write: Write, leave: Callable[[], None], hold: Callable[[], None]
    ) -> None:
        self._send = send
        self._write = write
        self._leave = leave
        self._hold = hold
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._is_left = False
        self.is_held = False
        """Whether the record says that nobody else is to send it, as long as it may take."""
        self._outcome: Fate | BaseException | None = None
        self._context = copy_context()  # what log lines about it bear
        self._thread = threading.Thread(target=self._context.run, args=(self._run,), name="mail", daemon=True)
        self._thread.start()

    @property
    def is_under_way(self) -> bool:
        """Whether its thread has something to do."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> Fate | None:
        """What is to be recorded; None when it takes longer, from its beginning on: then the thread will record it."""
        if not self._is_over.wait(max(self._begun + seconds - time.monotonic(), 0)):
            with self._lock:
                if not self._is_over.is_set():
                    self._is_left = True
                    self._hold()
                    self.is_held = True
                    self._context.copy().run(log.warning, "mail_under_way")
                    return None
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(max(seconds, 0))

    def _run(self) -> None:
        try:
            try:
                self._outcome = self._send()
            except BaseException as error:  # noqa: BLE001 — raised again by who waits for it
                self._outcome = error
            with self._lock:
                self._is_over.set()
            if self._is_left and isinstance(self._outcome, Fate):
                _record_late(partial(self._write, [self._outcome]))
        finally:
            self._leave()


def _record_late(record: Callable[[], None]) -> None:
    """Where the database is away, as soon as it is back: what is not recorded would be sent again."""
    deadline = time.monotonic() + HELD_SECONDS
    while time.monotonic() < deadline:
        try:
            record()
        except Exception as error:
            if not is_waited_for(error):
                log.exception("mail_not_recorded")
                return
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def read_addressees(session: Session, codes: Collection[str]) -> dict[str, dict[str, Addressee]]:
    """By commune and key: whoever may be notified about it, mails first, since nobody waits for a chat."""
    found: dict[str, dict[str, Addressee]] = {code: {} for code in codes}
    for code, one in (*_agents(session, codes), *_others(session, codes)):
        found[code][one.key] = one
    return found


def shown_address(address: str) -> str:
    """What may be shown of a chat's or a webhook's address, which is a secret: `https://hooks.example.org`."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "…"
    is_topic = parts.scheme.startswith("ntfy") and not parts.path.strip("/")
    has_host = parts.hostname and parts.scheme not in _TOKEN_FIRST and not is_topic
    return f"{parts.scheme}://{parts.hostname if has_host else '…'}"


def _agents(session: Session, codes: Collection[str]) -> Iterator[tuple[str, Addressee]]:
    """One mail per address of a commune, whoever many agents share it."""
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
