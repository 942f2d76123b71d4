"""The queues of one installation, observed from outside: consumers, remaining messages, published events."""

from contextlib import suppress
from http.client import HTTPException
from urllib.parse import quote

import pika
from pika.exceptions import AMQPError

from schemas.envelope import CloudEvent
from schemas.topology import (
    EVENT_EXPORT_STATUS,
    EXCHANGE,
    QUEUE_LISTES,
    QUEUE_REQUESTS,
    QUEUE_TABLEAUX,
)
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import queue_messages

_READ = (QUEUE_REQUESTS, QUEUE_LISTES, QUEUE_TABLEAUX)
_LISTENER = "listener"


class Queues:
    """The queues of one virtual host."""

    def __init__(self, broker: RabbitNode, vhost: str) -> None:
        self._broker = broker
        self._vhost = quote(vhost, safe="")
        self._url = broker.url(vhost)

    def are_read_by(self, consumers: int) -> bool:
        """Whether each work queue has this many consumers; False while the broker is away."""
        with suppress(AMQPError, OSError), self._connect() as connection:
            if not set(_READ) <= self._totals().keys():
                return False
            channel = connection.channel()
            declared = [channel.queue_declare(queue, passive=True).method for queue in _READ]
            return [method.consumer_count for method in declared] == [consumers] * len(_READ)
        return False

    def listen(self) -> None:
        """Keep a copy of every event from now on."""
        with self._connect() as connection:
            channel = connection.channel()
            channel.queue_declare(_LISTENER, durable=True)
            channel.queue_bind(_LISTENER, EXCHANGE, EVENT_EXPORT_STATUS)

    def take_events(self) -> list[CloudEvent]:
        """The events since `listen`; none without `listen`."""
        if _LISTENER not in self._totals():
            return []
        return [CloudEvent.from_bytes(body) for _, body in queue_messages(self._url, _LISTENER)]

    def left(self) -> dict[str, int]:
        """Queue → messages that are ready, unacknowledged or dead; only queues that have some.

        Raises:
            OSError: the broker is away.
        """
        return {name: messages for name, messages in self._totals().items() if messages and name != _LISTENER}

    def _totals(self) -> dict[str, int]:
        path = f"/queues/{self._vhost}?disable_stats=true&enable_queue_totals=true"
        try:
            queues = self._broker.management.request("GET", path)
        except (HTTPException, RuntimeError) as error:
            raise OSError(str(error)) from None
        return {it["name"]: it.get("messages", 0) for it in queues}

    def _connect(self) -> pika.BlockingConnection:
        return pika.BlockingConnection(pika.URLParameters(self._url))
