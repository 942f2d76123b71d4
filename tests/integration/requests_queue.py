"""What a worker declares before producers can send, and what has arrived there."""

from typing import Self

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exchange_type import ExchangeType
from pika.spec import BasicProperties

from schemas.envelope import CloudEvent
from schemas.topology import EXCHANGE, QUEUE_REQUESTS, REQUEST_TYPES
from tests.parts.wait import wait_until


class RequestsQueue:
    """The exchange and the queue of requests on one virtual host, without a worker behind them."""

    def __init__(self, amqp_url: str, *, max_length: int | None = None) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
        self.channel: BlockingChannel = self._connection.channel()
        arguments = {"x-max-length": max_length, "x-overflow": "reject-publish"} if max_length else {}
        self.channel.exchange_declare(EXCHANGE, ExchangeType.topic, durable=True)
        self.channel.queue_declare(QUEUE_REQUESTS, durable=True, arguments=arguments)
        for request_type in REQUEST_TYPES:
            self.channel.queue_bind(QUEUE_REQUESTS, EXCHANGE, request_type)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection.is_open:
            self._connection.close()

    def poll(self) -> tuple[str, BasicProperties, bytes] | None:
        """Routing key, properties and body of the next message, if there is one; it is taken off the queue."""
        method, properties, body = self.channel.basic_get(QUEUE_REQUESTS, auto_ack=True)
        if method is None or properties is None or body is None:
            return None
        return str(method.routing_key), properties, body

    def take(self) -> tuple[str, BasicProperties, bytes]:
        """The next message, once it is there."""
        message = wait_until(self.poll, message="a message in the queue of requests")
        assert message is not None
        return message

    def take_event(self) -> CloudEvent:
        """The event of the next message."""
        return CloudEvent.from_bytes(self.take()[2])
