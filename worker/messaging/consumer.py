"""A consumer that no message can stop: poison is put aside with its reason, and nobody acknowledges for another.

Upstream acknowledges by delivery tag alone, so after a reconnection a late acknowledgment hits another message; and a
message whose queue is not the one it came from ends a worker thread.
"""

from collections.abc import Generator, Iterator
from typing import Any

import pika
import structlog
from dramatiq import Message, MessageProxy
from dramatiq.brokers.rabbitmq import _RabbitmqConsumer
from dramatiq.common import q_name, xq_name
from dramatiq.errors import DecodeError
from pika.exceptions import AMQPError

from worker.messaging.encoder import PoisonError

log = structlog.get_logger()

REASON_HEADER = "x-reason"
_BURY_TRIES = 2
"""A connection that was idle for long may be found dead: the second try is made on a fresh one."""

Delivery = tuple[Any, Any, bytes]


class GuardedConsumer(_RabbitmqConsumer):
    """Reads one queue."""

    def __init__(self, broker: Any, queue_name: str, prefetch: int, timeout: int) -> None:  # noqa: ANN401 — upstream
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        self.iterator = self._without_poison(self.iterator)

    def __next__(self) -> MessageProxy | None:
        """The next message, marked as ours."""
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
        if message is not None:
            message.delivered_by = self  # type: ignore[attr-defined]
        return message

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
        if self._bury(message.encode(), reason):
            super().ack(message)  # type: ignore[no-untyped-call]
        else:
            super().nack(message)  # type: ignore[no-untyped-call]

    def _without_poison(self, deliveries: Iterator[Delivery]) -> Generator[Delivery, None, None]:
        for method, properties, body in deliveries:
            if method is None or (reason := self._fault(body)) is None:
                yield method, properties, body
                continue
            log.warning("poison", queue=self.queue_name, reason=reason, size=len(body))
            if self._bury(body, reason):
                self.channel.basic_ack(method.delivery_tag)
            else:
                self.channel.basic_nack(method.delivery_tag, requeue=False)
            yield None, None, b""

    def _fault(self, body: bytes) -> str | None:
        try:
            message: Message[Any] = Message.decode(body)
        except DecodeError as error:
            cause = error.__cause__
            return str(cause) if isinstance(cause, PoisonError) else "unreadable"
        return None if message.queue_name == self.queue_name else "not for this queue"

    def _bury(self, body: bytes, reason: str) -> bool:
        """Publish a confirmed copy to the dead letters, with its reason; False when the broker would not take it."""
        properties = pika.BasicProperties(
            delivery_mode=2, headers={REASON_HEADER: reason[:500], "x-queue": self.queue_name}
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
