"""A consumer that no message can stop: poison is put aside with its reason, and nobody acknowledges for another.

Upstream acknowledges by delivery tag alone, so after a reconnection a late acknowledgment hits another message; and a
message whose queue is not the one it came from ends a worker thread.

pika loses its connection over a header that Python cannot hold: a date beyond the year 9999, tables nested a thousand
times. The broker then delivers the same message again, and so on for ever: so they are read as far as they can be.

Here also an event gets its sender: the account that published it, which RabbitMQ has checked (property `user_id`). Our
own calls name theirs in an option, and come by the default exchange, where our accounts alone may publish; one that
comes by another exchange is somebody else's invention.

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

REASON_HEADER, QUEUE_HEADER, SENDER_HEADER = "x-reason", "x-queue", "x-sender"
"""Of a dead letter: why it is there, where it came from, and who sent it."""

_LONGEST_ID = 60
"""In characters: a property has 255 bytes at most."""

_BURY_TRIES = 2
"""A connection that was idle for long may be found dead: the second try is made on a fresh one."""

_DIRECT_REPLY = "amq.rabbitmq.reply-to."
"""RabbitMQ, « direct reply-to »: what follows is hard to guess, and leads to one channel."""

ACCOUNTS_SECONDS = 5.0
"""How often a consumer of requests looks for accounts that were added."""

RawDelivery = tuple[Any, Any, bytes]
_NOTHING: RawDelivery = (None, None, b"")

_AGAIN_SECONDS, _LONGEST_AGAIN_SECONDS = 1.0, 15.0
"""Before a message is delivered again by a broker that takes none: nobody goes round in circles. Doubled each time
where this is the only way to try again."""

MOST_MESSAGES, MOST_MESSAGES_BULK = 10_000, 50_000
MOST_BYTES = 32 << 20
"""What a queue holds at most. A policy of the broker may lower it; the arguments of a queue cannot change."""


def declare_account(channel: Any, account: str, *, is_bulk: bool) -> str:  # noqa: ANN401 — pika's
    """Declare and bind a queue of an account, once is enough; return its name. Its dead letters join ours."""
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
        """The next message, marked as ours."""
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
        if message is not None:
            message.delivered_by = self  # type: ignore[attr-defined]
            if not self.broker.may_publish:
                message.options.pop("eta", None)  # of a release that published its retries: served now
            if came_from_outside(message.options):
                message.options[SENDER] = self._sender
                message.options[REPLY_TO] = self._reply_to
                self._take_for_this_queue(message)
        return message

    def _take_for_this_queue(self, message: MessageProxy) -> None:
        """An event does not say by which of the queues of requests it came; a worker answers to the message's queue."""
        event: Message[Any] = message._message  # noqa: SLF001 — there is no other way to what the proxy stands for
        actor = INGEST_ACTORS[self.queue_name]
        message._message = event.copy(queue_name=self.queue_name, actor_name=actor)  # noqa: SLF001

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message that this very consumer delivered; another's comes again, and finds its row done."""
        if getattr(message, "delivered_by", None) is self:
            self._again = _AGAIN_SECONDS
            with suppress(ConnectionClosed):  # the same; upstream would hold its thread for five seconds
                super().ack(message)  # type: ignore[no-untyped-call]
        else:
            log.warning("stale_ack", queue=self.queue_name)

    def nack(self, message: MessageProxy) -> None:
        """Put a failed message aside with its reason, then acknowledge it; or have it delivered again."""
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
        """Have the broker deliver it again, now and no sooner; it does so by itself where the connection is gone."""
        if getattr(message, "was_held", False):
            self._again = _AGAIN_SECONDS
        elif self.channel.is_open:
            time.sleep(self._again)
            if not self.broker.may_publish:
                self._again = min(2 * self._again, _LONGEST_AGAIN_SECONDS)
        self.known_tags.discard(message._tag)  # noqa: SLF001 — there is no other way to it
        with suppress(AMQPError):
            again = partial(self.channel.basic_nack, message._tag, requeue=True)  # noqa: SLF001
            self.connection.add_callback_threadsafe(again)

    def _from_accounts(self, timeout: float) -> Generator[RawDelivery, None, None]:
        """Deliver in the order of arrival, from `prefetch` messages at most of each account.

        The broker sends the next message of an account when one of that account was answered: it comes last here. So
        accounts are served in turn, whatever waits in their queues.
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
        """Declare and consume the queues of accounts that have none here: new ones, and those whose queue was lost.

        A queue that exists with other arguments (`default_queue_type` was changed) is read as it is. An account whose
        queue cannot be reached is left out; it must not stop the others. The log names each reason once.
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
        """Declare a queue on a channel of its own; return why the broker refuses, or an empty text."""
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
        """Publish a confirmed copy to the dead letters, with its reason; False when the broker would not take it.

        A process that may not publish leaves it to the broker, which puts it there without the reason.
        """
        if not self.broker.may_publish:
            return False
        properties = pika.BasicProperties(
            delivery_mode=2,
            headers={REASON_HEADER: reason[:500], QUEUE_HEADER: self.queue_name, SENDER_HEADER: sender},
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
    """Properties that are read as far as they can be."""

    is_readable = True

    def decode(self, encoded: bytes, offset: int = 0) -> Self:
        """Read them; when that fails, what follows the fault is absent."""
        try:
            super().decode(encoded, offset)
        except Exception as error:  # noqa: BLE001 — whatever it holds, it must not reach the connection
            log.warning("unreadable_properties", error=type(error).__name__)
            self.is_readable = False
        return self


def is_readable(properties: Any) -> bool:  # noqa: ANN401 — pika's
    """Whether all of them could be read."""
    return getattr(properties, "is_readable", True)


def tolerate_any_properties() -> None:
    """Let every connection of this process read properties so, from now on."""
    spec.props[spec.BasicProperties.INDEX] = TolerantProperties


def direct_reply(value: object) -> str:
    """Where an answer may be sent besides: to the channel that asks, by the name that RabbitMQ gave it; else nowhere.

    A queue's name would let a sender have us write into any queue: those of jobs, or somebody else's.
    """
    return value if isinstance(value, str) and value.startswith(_DIRECT_REPLY) and value.isprintable() else ""


def printable(value: object) -> str:
    """A text of the sender's that may be stored and shown; empty when it is none, or holds control characters."""
    return value if isinstance(value, str) and value.isprintable() else ""
