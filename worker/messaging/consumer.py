"""A consumer that no message can stop: it dead-letters poison with the reason, and acks only its own deliveries.

Dramatiq acknowledges by delivery tag alone: after a reconnection, a late acknowledgment would hit another message. And
a message that names another queue than its own ends a worker thread.

pika loses its connection over a header that Python cannot hold: a date beyond the year 9999, tables nested a thousand
times. The broker would deliver such a message again for ever. So properties are decoded as far as possible.

The consumer also sets the sender of an event: the account that published it, which RabbitMQ has checked (property
`user_id`). Our own calls have the sender in an option. They arrive by the default exchange, on which only our accounts
may publish; a call that arrives by another exchange is forged.

A consumer of requests reads a queue for each account: docs/adr/0038-a-queue-for-each-account.md.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Self

import pika
import structlog
from dramatiq import Message, MessageProxy
from dramatiq.brokers.rabbitmq import _RabbitmqConsumer
from dramatiq.common import q_name, xq_name
from dramatiq.errors import ConnectionClosed, DecodeError
from pika import spec
from pika.exceptions import AMQPError, ChannelClosedByBroker

from schemas.topology import EXCHANGE, QUEUE_REQUESTS, QUEUE_REQUESTS_BULK, account_bindings, account_queue
from worker.messaging.encoder import (
    INGEST_ACTORS,
    REPLY_TO,
    SENDER,
    PoisonError,
    call_for_unreadable,
    came_from_outside,
    check_key,
    read_unreadable,
)

log = structlog.get_logger()

REASON_HEADER, SENDER_HEADER = "x-reason", "x-sender"
"""The headers of a dead letter: its reason, and the account that sent it."""

_LONGEST_ID = 60
"""In characters: a property has 255 bytes at most."""

_BURY_TRIES = 2
"""A connection that was idle for long may be dead: the second try opens a new one."""

_DIRECT_REPLY = "amq.rabbitmq.reply-to."
"""The prefix of RabbitMQ's « direct reply-to »; the rest is hard to guess, and leads to one channel."""

ACCOUNTS_SECONDS = 5.0
"""Seconds between two reads of the accounts by a consumer of requests."""

RawDelivery = tuple[Any, Any, bytes]
_NOTHING: RawDelivery = (None, None, b"")

_AGAIN_SECONDS, _LONGEST_AGAIN_SECONDS = 1.0, 15.0
"""Seconds before a message is returned to the broker; doubled until a message of the queue is acknowledged."""

MOST_MESSAGES, MOST_MESSAGES_BULK = 10_000, 50_000
MOST_BYTES = 32 << 20
"""The limits of a queue. A policy of the broker may lower them; the arguments of a queue cannot change."""


def declare_account(channel: Any, account: str, *, is_bulk: bool) -> str:  # noqa: ANN401 — pika's
    """Declare and bind a queue of an account, idempotently; return its name. Its dead letters join ours."""
    queue = account_queue(account, is_bulk=is_bulk)
    arguments = {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": xq_name(QUEUE_REQUESTS_BULK if is_bulk else QUEUE_REQUESTS),
        "x-max-length": MOST_MESSAGES_BULK if is_bulk else MOST_MESSAGES,
        "x-max-length-bytes": MOST_BYTES,
        "x-overflow": "reject-publish",
    }
    channel.queue_declare(queue, durable=True, arguments=arguments)
    for key in account_bindings(account, is_bulk=is_bulk):
        channel.queue_bind(queue, EXCHANGE, key)
    return queue


def _find_queue(channel: Any, queue: str) -> None:  # noqa: ANN401 — pika's
    channel.queue_declare(queue, passive=True)


class GuardedConsumer(_RabbitmqConsumer):
    """Reads one queue; a consumer of requests also reads the queue of each account, on the same channel."""

    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:  # noqa: ANN401 — upstream
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        if queue_name in INGEST_ACTORS:
            self.iterator = self._from_accounts(timeout / 1000)
            self._refusals: dict[str, str] = {}
        self.iterator = self._without_poison(self.iterator)
        self._sender = self._reply_to = ""
        self._again = _AGAIN_SECONDS

    def __next__(self) -> MessageProxy | None:
        """Return the next message, marked with this consumer."""
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
        if message is not None:
            message.delivered_by = self  # type: ignore[attr-defined]
            if came_from_outside(message.options):
                message.options[SENDER] = self._sender
                message.options[REPLY_TO] = self._reply_to
                self._take_for_this_queue(message)
        return message

    def _take_for_this_queue(self, message: MessageProxy) -> None:
        """Set the queue and the actor of an event, since Dramatiq acknowledges by the queue of the message."""
        event: Message[Any] = message._message  # noqa: SLF001 — no public access to the wrapped message
        actor = INGEST_ACTORS[self.queue_name]
        message._message = event.copy(queue_name=self.queue_name, actor_name=actor)  # noqa: SLF001

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message of this consumer; another one's is delivered again, and its row is done then."""
        if getattr(message, "delivered_by", None) is self:
            self._again = _AGAIN_SECONDS
            with suppress(ConnectionClosed):  # delivered again too; Dramatiq would block its thread for 5 s
                super().ack(message)  # type: ignore[no-untyped-call]
        else:
            log.warning("stale_ack", queue=self.queue_name)

    def nack(self, message: MessageProxy) -> None:
        """Dead-letter a failed message with its reason, then acknowledge it; or return it to the queue."""
        if getattr(message, "delivered_by", None) is not self:
            log.warning("stale_nack", queue=self.queue_name)
            return
        if getattr(message, "is_given_back", False):
            self._give_back(message)
            return
        error = getattr(message, "_exception", None)
        reason = f"failed: {type(error).__name__}" if error is not None else "failed"
        sender = message.options.get(SENDER, "")
        if self._bury(message.encode(), reason, sender=sender, message_id=printable(message.message_id)):
            super().ack(message)  # type: ignore[no-untyped-call]
        else:
            super().nack(message)  # type: ignore[no-untyped-call]

    def _give_back(self, message: Any) -> None:  # noqa: ANN401 — upstream's, with a tag
        """Return a message to its queue after a pause; if the connection is lost, the broker does so by itself."""
        if getattr(message, "was_held", False):
            self._again = _AGAIN_SECONDS
        elif self.channel.is_open:
            time.sleep(self._again)
            self._again = min(2 * self._again, _LONGEST_AGAIN_SECONDS)
        self.known_tags.discard(message._tag)  # noqa: SLF001 — no public access
        with suppress(AMQPError):
            again = partial(self.channel.basic_nack, message._tag, requeue=True)  # noqa: SLF001
            self.connection.add_callback_threadsafe(again)

    def _from_accounts(self, timeout: float) -> Generator[RawDelivery, None, None]:
        """Deliver in the order of arrival, with at most `prefetch` unacknowledged messages of each account.

        The broker sends the next message of an account when one of that account is acknowledged; it joins the end
        here. So accounts are processed in turn, whatever the lengths of their queues.
        """
        arrived, consumed, look_at = deque[RawDelivery](), dict[str, str](), -math.inf

        def add(_channel: object, *delivery: Any) -> None:  # noqa: ANN401 — pika's
            method, properties, body = delivery
            arrived.append((method, properties, body))

        self.channel.basic_consume(self.queue_name, add)
        while self.channel.is_open:
            if time.monotonic() >= look_at:
                self._consume_accounts(consumed, add)
                look_at = time.monotonic() + ACCOUNTS_SECONDS
            self.connection.process_data_events(0 if arrived else min(timeout, ACCOUNTS_SECONDS))
            yield arrived.popleft() if arrived else _NOTHING

    def _consume_accounts(self, consumed: dict[str, str], add: Callable[..., None]) -> None:
        """Declare and consume the queues of new accounts, and of accounts whose queue was lost.

        A queue that exists with other arguments (`default_queue_type` was changed) is read as it is. An account whose
        queue cannot be reached is skipped; it must not stop the others. The log names each reason once.
        """
        tags, is_bulk = set(self.channel.consumer_tags), self.queue_name == QUEUE_REQUESTS_BULK
        for account in sorted(self.broker.list_accounts()):
            if consumed.get(account) in tags:
                continue
            queue = account_queue(account, is_bulk=is_bulk)
            declare = partial(declare_account, account=account, is_bulk=is_bulk)
            reason = self._refusal(declare)
            if reason and reason != self._refusals.get(account):
                log.warning("account_queue_refused", account=account, reason=reason)
            self._refusals[account] = reason
            if not reason or not self._refusal(partial(_find_queue, queue=queue)):
                consumed[account] = self.channel.basic_consume(queue, add)

    def _refusal(self, declare: Callable[[Any], object]) -> str:
        """Declare a queue on a separate channel; return the broker's reason to refuse, or an empty text."""
        channel = self.connection.channel()
        try:
            declare(channel)
        except ChannelClosedByBroker as error:
            return str(error.reply_text)
        channel.close()
        return ""

    def _without_poison(self, deliveries: Iterator[RawDelivery]) -> Generator[RawDelivery, None, None]:
        for method, properties, body in deliveries:
            if method is None:
                yield method, properties, body
                continue
            self._sender, self._reply_to = printable(properties.user_id), direct_reply(properties.reply_to)
            if (reason := self._fault(method, properties, body)) is None:
                yield method, properties, body
                continue
            unreadable = method.exchange and read_unreadable(body, properties, method.routing_key)
            if unreadable and is_readable(properties):
                log.warning("unreadable_event", queue=self.queue_name, reason=reason, size=len(body))
                yield method, properties, call_for_unreadable(self.queue_name, unreadable, self._sender, self._reply_to)
                continue
            log.warning("poison", queue=self.queue_name, reason=reason, size=len(body))
            if self._bury(body, reason, sender=self._sender, message_id=printable(properties.message_id)):
                self.channel.basic_ack(method.delivery_tag)
            else:
                self.channel.basic_nack(method.delivery_tag, requeue=False)
            yield _NOTHING

    def _fault(self, method: Any, properties: Any, body: bytes) -> str | None:  # noqa: ANN401 — pika's frames
        if not is_readable(properties):
            return "unreadable properties"
        try:
            message: Message[Any] = Message.decode(body)
        except DecodeError as error:
            cause = error.__cause__
            return str(cause) if isinstance(cause, PoisonError) else "unreadable"
        is_event = came_from_outside(message.options)
        if self.queue_name not in (INGEST_ACTORS if is_event else (message.queue_name,)):
            return "not for this queue"
        if method.exchange and not is_event:
            return "a call of ours, from outside"
        if method.exchange and check_key(message.args[0]["type"], method.routing_key, printable(properties.user_id)):
            return "not its routing key"
        return None

    def _bury(self, body: bytes, reason: str, *, sender: str, message_id: str) -> bool:
        """Publish a confirmed copy to the dead letters, with its reason; return False if the broker refuses it.

        It refuses the accounts that read no requests: an account that may publish to a queue may also forge requests.
        """
        properties = pika.BasicProperties(
            delivery_mode=2,
            headers={REASON_HEADER: reason[:500], SENDER_HEADER: sender},
            message_id=message_id[:_LONGEST_ID],
            timestamp=int(time.time()),
        )
        for _ in range(_BURY_TRIES):
            try:
                self.broker.channel.basic_publish(
                    "", xq_name(q_name(self.queue_name)), body, properties, mandatory=True
                )
            except AMQPError as error:
                log.warning("dead_letter_not_published", error=type(error).__name__)
                del self.broker.connection
            else:
                return True
        return False


class TolerantProperties(spec.BasicProperties):
    """Properties that are decoded as far as possible."""

    is_readable = True

    def decode(self, encoded: bytes, offset: int = 0) -> Self:
        """Decode them; if that fails, the properties after the fault are absent."""
        try:
            super().decode(encoded, offset)
        except Exception as error:  # noqa: BLE001 — whatever the value, the error must not reach the connection
            log.warning("unreadable_properties", error=type(error).__name__)
            self.is_readable = False
        return self


def is_readable(properties: Any) -> bool:  # noqa: ANN401 — pika's
    """Return whether all properties could be decoded."""
    return getattr(properties, "is_readable", True)


def tolerate_any_properties() -> None:
    """Let every connection of this process decode properties by TolerantProperties."""
    spec.props[spec.BasicProperties.INDEX] = TolerantProperties


def direct_reply(value: object) -> str:
    """Return the direct reply-to channel of a sender, by RabbitMQ's name for it; else an empty text.

    Any other queue name is ignored: a sender could make us write to the queues of jobs or of another account.
    """
    return value if isinstance(value, str) and value.startswith(_DIRECT_REPLY) and value.isprintable() else ""


def printable(value: object) -> str:
    """Return a sender's text that may be stored and shown; empty when it is no text, or has control characters."""
    return value if isinstance(value, str) and value.isprintable() else ""
