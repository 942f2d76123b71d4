"""A consumer that no message can stop: poison is put aside with its reason, and nobody acknowledges for another.

Upstream acknowledges by delivery tag alone, so after a reconnection a late acknowledgment hits another message; and a
message whose queue is not the one it came from ends a worker thread.

pika loses its connection over a header that Python cannot hold: a date beyond the year 9999, tables nested a thousand
times. The broker then delivers the same message again, and so on for ever: so they are read as far as they can be.

Here also an event gets its sender: the account that published it, which RabbitMQ has checked (property `user_id`). Our
own calls name theirs in an option, and come by the default exchange, where our accounts alone may publish; one that
comes by another exchange is somebody else's invention.
"""

import time
from collections.abc import Generator, Iterator
from typing import Any, Self

import pika
import structlog
from dramatiq import Message, MessageProxy
from dramatiq.brokers.rabbitmq import _RabbitmqConsumer
from dramatiq.common import q_name, xq_name
from dramatiq.errors import DecodeError
from pika import spec
from pika.exceptions import AMQPError

from worker.messaging.encoder import INGEST_ACTORS, SENDER, PoisonError, call_for_unreadable, came_from_outside
from worker.messaging.unreadable import read_unreadable

log = structlog.get_logger()

REASON_HEADER, QUEUE_HEADER, SENDER_HEADER = "x-reason", "x-queue", "x-sender"
"""Of a dead letter: why it is there, where it came from, and who sent it."""

_LONGEST_ID = 60
"""In characters: a property has 255 bytes at most."""

_BURY_TRIES = 2
"""A connection that was idle for long may be found dead: the second try is made on a fresh one."""

RawDelivery = tuple[Any, Any, bytes]


class GuardedConsumer(_RabbitmqConsumer):
    """Reads one queue."""

    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:  # noqa: ANN401 — upstream
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        self.iterator = self._without_poison(self.iterator)
        self._sender = ""

    def __next__(self) -> MessageProxy | None:
        """The next message, marked as ours."""
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
        if message is not None:
            message.delivered_by = self  # type: ignore[attr-defined]
            if came_from_outside(message.options):
                message.options[SENDER] = self._sender
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
            super().ack(message)  # type: ignore[no-untyped-call]
        else:
            log.warning("stale_ack", queue=self.queue_name)

    def nack(self, message: MessageProxy) -> None:
        """Put a failed message aside with its reason, then acknowledge it."""
        if getattr(message, "delivered_by", None) is not self:
            log.warning("stale_nack", queue=self.queue_name)
            return
        error = getattr(message, "_exception", None)
        reason = f"failed: {type(error).__name__}" if error is not None else "failed"
        sender = message.options.get(SENDER, "")
        if self._bury(message.encode(), reason, sender=sender, message_id=printable(message.message_id)):
            super().ack(message)  # type: ignore[no-untyped-call]
        else:
            super().nack(message)  # type: ignore[no-untyped-call]

    def _without_poison(self, deliveries: Iterator[RawDelivery]) -> Generator[RawDelivery, None, None]:
        for method, properties, body in deliveries:
            if method is None:
                yield method, properties, body
                continue
            self._sender = printable(properties.user_id)
            if (reason := self._fault(method, properties, body)) is None:
                yield method, properties, body
                continue
            if method.exchange and (unreadable := read_unreadable(body, properties)) and is_readable(properties):
                log.warning("unreadable_event", queue=self.queue_name, reason=reason, size=len(body))
                yield method, properties, call_for_unreadable(self.queue_name, unreadable, self._sender)
                continue
            log.warning("poison", queue=self.queue_name, reason=reason, size=len(body))
            if self._bury(body, reason, sender=self._sender, message_id=printable(properties.message_id)):
                self.channel.basic_ack(method.delivery_tag)
            else:
                self.channel.basic_nack(method.delivery_tag, requeue=False)
            yield None, None, b""

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
        return None

    def _bury(self, body: bytes, reason: str, *, sender: str, message_id: str) -> bool:
        """Publish a confirmed copy to the dead letters, with its reason; False when the broker would not take it."""
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


def printable(value: object) -> str:
    """A text of the sender's that may be stored and shown; empty when it is none, or holds control characters."""
    return value if isinstance(value, str) and value.isprintable() else ""
