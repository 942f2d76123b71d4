"""A consumer that no message can stop: it dead-letters poison with the reason, and acks only its own deliveries.

Dramatiq acknowledges by delivery tag alone: after a reconnection, a late acknowledgment would hit another message.

pika loses its connection over a header that Python cannot hold: a date beyond the year 9999, tables nested a thousand
times. The broker would deliver such a message again for ever. So properties are decoded as far as possible.

What comes by the exchange is an event. Its routing key names the account that sent it, and the topic permission of an
account lets it publish under its own name only. A message that comes straight to a queue of events is poison: who may
publish so chooses neither an event nor a sender.

Any message in a queue of tokens is a token. Its contents are never read, so that they can do no harm.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, Self

import structlog
from dramatiq import Message, MessageProxy
from dramatiq.brokers.rabbitmq import _RabbitmqConsumer, _RabbitmqMessage
from dramatiq.common import q_name
from dramatiq.errors import ConnectionClosed
from pika import spec
from pika.exceptions import AMQPError

from schemas.envelope import CloudEvent
from schemas.faults import Fault
from schemas.http import TOKEN_ACTOR
from schemas.topology import EXCHANGE, SCREEN_ACCOUNT, account_of
from worker.messaging.reading import (
    INGEST_ACTORS,
    IncomingEvent,
    PoisonError,
    read_event,
    read_unreadable,
)

log = structlog.get_logger()

NOT_FOUND = 404
"""The broker's reply code for a queue that does not exist."""


class GuardedConsumer(_RabbitmqConsumer):
    """Reads one queue. Of a queue of events it holds one at a time: the next one waits for its end."""

    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:  # noqa: ANN401 — upstream
        held = 1 if queue_name in INGEST_ACTORS else prefetch
        # Upstream takes nothing but the parameters of the connection from the broker.
        connects_by = SimpleNamespace(parameters=broker.parameters_of(queue_name))
        super().__init__(connects_by, queue_name, held, timeout)  # type: ignore[no-untyped-call]
        self.broker = broker

    def __next__(self) -> MessageProxy | None:
        """Return the next message, marked with this consumer; None when none arrived, or it was dead-lettered."""
        try:
            return self._read(*next(self.iterator))
        except (AssertionError, AMQPError) as error:
            if getattr(error, "reply_code", None) == NOT_FOUND:
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
            with suppress(
                ConnectionClosed
            ):  # delivered again too; Dramatiq would block its thread for 5 s
                super().ack(message)  # type: ignore[no-untyped-call]
        else:
            log.warning("stale_ack", queue=self.queue_name)

    def nack(self, message: MessageProxy) -> None:
        """Have the broker dead-letter a failed message, with its sender; or return it to the head of the queue."""
        if getattr(message, "delivered_by", None) is not self:
            log.warning("stale_nack", queue=self.queue_name)
            return
        if getattr(message, "is_given_back", False):
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


def read_delivery(
    queue: str,
    exchange: str,
    routing_key: str,
    properties: Any,  # noqa: ANN401 — pika's
    body: bytes,
) -> Message[Any]:
    """Return the call of an actor for a message of a queue of ours.

    Raises:
        PoisonError: the message is to be dead-lettered; the text states why.
    """
    if queue not in INGEST_ACTORS:
        return make_token(queue)
    if not is_readable(properties):
        raise PoisonError("unreadable properties")
    if exchange != EXCHANGE:
        raise PoisonError("an event that did not come by the exchange")
    event, faults = _read_event(routing_key, properties, body)
    incoming = IncomingEvent(event, sender_of(properties, routing_key), faults)
    return Message(
        queue, INGEST_ACTORS[queue], args=(incoming,), kwargs={}, options={}, message_id=event.id
    )


def make_token(queue: str) -> Message[Any]:
    """Return the call of the actor of a queue of tokens, which says "look at this queue" and names no row."""
    return Message(queue_name=queue, actor_name=queue, args=(), kwargs={}, options={})


def _read_event(
    routing_key: str,
    properties: Any,  # noqa: ANN401
    body: bytes,
) -> tuple[CloudEvent, Sequence[Fault]]:
    try:
        account = printable(properties.user_id)
        return read_event(body, routing_key, account, properties.expiration), ()
    except PoisonError as poison:
        if (unreadable := read_unreadable(body, properties, routing_key)) is None:
            raise
        log.warning("unreadable_event", reason=str(poison), size=len(body))
        return unreadable


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


def sender_of(properties: Any, routing_key: str) -> str:  # noqa: ANN401 — pika's
    """Return the account that published a message, or the token for which the screen published it.

    The broker checks `user_id`; without it, the routing key names the account. The screen names the token in `app_id`,
    which the broker does not check: that of another account is ignored.
    """
    account = printable(properties.user_id) or account_of(routing_key)
    token = printable(properties.app_id)
    return token if account == SCREEN_ACCOUNT and token.startswith(TOKEN_ACTOR) else account


def printable(value: object) -> str:
    """Return a sender's text that may be stored and shown; empty when it is no text, or has control characters."""
    return value if isinstance(value, str) and value.isprintable() else ""
