"""A consumer that no message can stop: it dead-letters poison with the reason, and acks only its own deliveries.

Dramatiq acknowledges by delivery tag alone: after a reconnection, a late acknowledgment would hit another message. And
a message that names another queue than its own ends a worker thread.

pika loses its connection over a header that Python cannot hold: a date beyond the year 9999, tables nested a thousand
times. The broker would deliver such a message again for ever. So properties are decoded as far as possible.

What comes by the exchange is an event. Its sender is the account that published it, which RabbitMQ has checked
(property `user_id`). Any other message is one of our own calls, which has a row id only: an account that may publish
straight to a queue chooses neither an event nor a sender.

A consumer of requests reads a queue for each account: docs/adr/0038-a-queue-for-each-account.md.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from operator import methodcaller
from typing import Any, Self

import structlog
from dramatiq import Message, MessageProxy
from dramatiq.brokers.rabbitmq import _RabbitmqConsumer, _RabbitmqMessage
from dramatiq.common import q_name, xq_name
from dramatiq.errors import ConnectionClosed
from pika import spec
from pika.exceptions import AMQPError, ChannelClosedByBroker

from schemas.envelope import CloudEvent
from schemas.faults import Fault
from schemas.http import TOKEN_ACTOR
from schemas.topology import (
    EXCHANGE,
    QUEUE_REQUESTS,
    QUEUE_REQUESTS_BULK,
    SCREEN_ACCOUNT,
    account_bindings,
    account_queue,
)
from worker.messaging.encoder import (
    INGEST_ACTORS,
    IncomingEvent,
    PoisonError,
    check_key,
    read_message,
    read_unreadable,
)

log = structlog.get_logger()

ACCOUNTS_SECONDS = 5.0
"""Seconds between two reads of the accounts by a consumer of requests."""

_OF_SCREEN = 8
"""How many messages of the screen are read for one of another account: the agents of all communes share its queue."""

RawDelivery = tuple[Any, Any, bytes | None]

_AGAIN_SECONDS, _LONGEST_AGAIN_SECONDS = 1.0, 15.0
"""Seconds before a message is returned to the broker; doubled until a message of the queue is acknowledged."""

_NOT_FOUND = 404

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


class GuardedConsumer(_RabbitmqConsumer):
    """Reads one queue; a consumer of requests also reads the queue of each account, on the same channel."""

    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:  # noqa: ANN401 — upstream
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        self._prefetch = prefetch
        if queue_name in INGEST_ACTORS:
            self.iterator = self._from_accounts(timeout / 1000)
            self._refusals: dict[str, str] = {}
        self._again = _AGAIN_SECONDS

    def __next__(self) -> MessageProxy | None:
        """Return the next message, marked with this consumer; None when none arrived, or it was dead-lettered."""
        try:
            return self._read(*next(self.iterator))
        except (AssertionError, AMQPError) as error:
            if getattr(error, "reply_code", None) == _NOT_FOUND:
                self.broker.queues_pending.add(
                    q_name(self.queue_name)
                )  # declared again at the next start
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]

    def _read(self, method: Any, properties: Any, body: bytes | None) -> MessageProxy | None:  # noqa: ANN401 — pika's
        if body is None:
            return None
        try:
            read = read_delivery(
                self.queue_name, method.exchange, method.routing_key, properties, body
            )
        except PoisonError as poison:
            log.warning("poison", queue=self.queue_name, reason=str(poison), size=len(body))
            self.channel.basic_nack(method.delivery_tag, requeue=False)
            return None
        message: Any = _RabbitmqMessage(method.redelivered, method.delivery_tag, read)  # type: ignore[no-untyped-call]
        message.delivered_by = self
        self.known_tags.add(method.delivery_tag)
        return message  # type: ignore[no-any-return]

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message of this consumer; another one's is delivered again, and its row is done then."""
        if getattr(message, "delivered_by", None) is self:
            self._again = _AGAIN_SECONDS
            with suppress(
                ConnectionClosed
            ):  # delivered again too; Dramatiq would block its thread for 5 s
                super().ack(message)  # type: ignore[no-untyped-call]
        else:
            log.warning("stale_ack", queue=self.queue_name)

    def nack(self, message: MessageProxy) -> None:
        """Have the broker dead-letter a failed message, with its sender; or return it to the queue after a pause."""
        if getattr(message, "delivered_by", None) is not self:
            log.warning("stale_nack", queue=self.queue_name)
            return
        if getattr(message, "is_given_back", False):
            if getattr(message, "was_held", False):
                self._again = _AGAIN_SECONDS
            elif self.channel.is_open:
                time.sleep(self._again)
                self._again = min(2 * self._again, _LONGEST_AGAIN_SECONDS)
            tag: int = message._tag  # noqa: SLF001 — no public access
            self.known_tags.discard(tag)
            with suppress(
                AMQPError
            ):  # of a lost connection: the broker returns the message by itself
                self.connection.add_callback_threadsafe(
                    partial(self.channel.basic_nack, tag, requeue=True)
                )
            return
        super().nack(message)  # type: ignore[no-untyped-call]

    def _from_accounts(self, timeout: float) -> Generator[RawDelivery, None, None]:
        """Deliver in the order of arrival, with at most `prefetch` unacknowledged messages of each account.

        The screen's account has more: `_OF_SCREEN`.

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
            yield arrived.popleft() if arrived else (None, None, None)

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
            if not reason or not self._refusal(methodcaller("queue_declare", queue, passive=True)):
                shares = _OF_SCREEN if account == SCREEN_ACCOUNT else 1
                self.channel.basic_qos(
                    prefetch_count=shares * self._prefetch
                )  # of the next consumer
                consumed[account] = self.channel.basic_consume(queue, add)

    def _refusal(self, declare: Callable[[Any], object]) -> str:
        channel = self.connection.channel()
        try:
            declare(channel)
        except ChannelClosedByBroker as error:
            return str(error.reply_text)
        channel.close()
        return ""


def read_delivery(
    queue: str,
    exchange: str,
    routing_key: str,
    properties: Any,  # noqa: ANN401 — pika's
    body: bytes,
) -> Message[Any]:
    """Return the call of an actor for a message of a queue.

    Raises:
        PoisonError: the message is to be dead-lettered; the text states why.
    """
    if not is_readable(properties):
        raise PoisonError("unreadable properties")
    if exchange == EXCHANGE and queue in INGEST_ACTORS:
        event, faults = _read_event(routing_key, properties, body)
        incoming = IncomingEvent(event, sender_of(properties), faults)
        return Message(
            queue,
            INGEST_ACTORS[queue],
            args=(incoming,),
            kwargs={},
            options={},
            message_id=event.id,
        )
    read = read_message(body)
    if isinstance(read, CloudEvent):
        raise PoisonError("an event that did not come by the exchange")
    if read.queue_name != queue:
        raise PoisonError("not for this queue")
    return read


def _read_event(
    routing_key: str,
    properties: Any,  # noqa: ANN401
    body: bytes,
) -> tuple[CloudEvent, Sequence[Fault]]:
    try:
        return _require_event(read_message(body), routing_key, printable(properties.user_id)), ()
    except PoisonError as poison:
        if (unreadable := read_unreadable(body, properties, routing_key)) is None:
            raise
        log.warning("unreadable_event", reason=str(poison), size=len(body))
        return unreadable


def _require_event(read: CloudEvent | Message[Any], routing_key: str, account: str) -> CloudEvent:
    if isinstance(read, Message):
        raise PoisonError("a call of ours, from outside")
    if check_key(read.type, routing_key, account):
        raise PoisonError("not its routing key")
    return read


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


def sender_of(properties: Any) -> str:  # noqa: ANN401 — pika's
    """Return the account that published a message, or the token for which the screen published it.

    The screen names the token in `app_id`, which the broker does not check: that of another account is ignored.
    """
    account, token = printable(properties.user_id), printable(properties.app_id)
    return token if account == SCREEN_ACCOUNT and token.startswith(TOKEN_ACTOR) else account


def printable(value: object) -> str:
    """Return a sender's text that may be stored and shown; empty when it is no text, or has control characters."""
    return value if isinstance(value, str) and value.isprintable() else ""
