"""The two queues of requests, as the workers declare them, and the messages in them."""

from contextlib import suppress
from typing import Self

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, NackError
from pika.exchange_type import ExchangeType
from pika.spec import BasicProperties

from schemas.envelope import CloudEvent
from schemas.topology import (
    EXCHANGE,
    QUEUE_PROGRAMS,
    QUEUE_REQUESTS,
    REQUEST_QUEUES,
    SCREEN_ACCOUNT,
    request_bindings,
)
from tests.parts.town import account_of
from tests.parts.wait import wait_until


class RequestsQueue:
    """The exchange and the queues of requests on one virtual host, without a worker.

    `single` is the queue that requests of `account` reach, `bulk` that of batches.
    """

    def __init__(self, amqp_url: str, *, max_length: int | None = None, account: str = "") -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
        self.channel: BlockingChannel = self._connection.channel()
        self.account = account or account_of(amqp_url)
        self.single = QUEUE_REQUESTS if self.account == SCREEN_ACCOUNT else QUEUE_PROGRAMS
        self.bulk = QUEUE_PROGRAMS
        arguments = (
            {"x-max-length": max_length, "x-overflow": "reject-publish"} if max_length else {}
        )
        self.channel.exchange_declare(EXCHANGE, ExchangeType.topic, durable=True)
        for queue in REQUEST_QUEUES:
            self.channel.queue_declare(queue, durable=True, arguments=arguments)
            for routing_key in request_bindings(queue):
                self.channel.queue_bind(queue, EXCHANGE, routing_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(AMQPError):  # a broker that was restarted meanwhile has closed it
            self._connection.close()

    def poll(self, *, is_bulk: bool = False) -> tuple[str, BasicProperties, bytes] | None:
        """Routing key, properties and body of the next message, if there is one; it is removed from the queue."""
        method, properties, body = self.channel.basic_get(
            self.bulk if is_bulk else self.single, auto_ack=True
        )
        if method is None or properties is None or body is None:
            return None
        return str(method.routing_key), properties, body

    def fill(self) -> None:
        """Fill the queue of requests to its limit with an event that no worker reads."""
        channel = self._connection.channel()
        channel.confirm_delivery()
        with suppress(NackError):
            while True:
                channel.basic_publish("", self.single, b"")

    def clear(self) -> None:
        self.channel.queue_purge(self.single)

    def take(self) -> tuple[str, BasicProperties, bytes]:
        """Wait for the next message."""
        message = wait_until(self.poll, message="a message in the queue of requests")
        assert message is not None
        return message

    def take_event(self) -> CloudEvent:
        return CloudEvent.from_bytes(self.take()[2])
