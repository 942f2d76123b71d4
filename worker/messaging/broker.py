"""The broker: Dramatiq's for RabbitMQ with confirms, our topology, and dead letters that live long enough."""

from collections.abc import Sequence
from typing import Any

import pika
from dramatiq import Middleware, set_encoder
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import xq_name

from schemas.topology import (
    BULK_SUFFIX,
    BULK_TYPES,
    EXCHANGE,
    QUEUE_REQUESTS,
    QUEUE_REQUESTS_BULK,
    REQUEST_TYPES,
)
from worker.messaging.consumer import GuardedConsumer
from worker.messaging.encoder import PrefectureEncoder
from worker.messaging.properties import tolerate_any_properties

HEARTBEAT_SECONDS = 60
BLOCKED_SECONDS = 30
DEAD_LETTER_DAYS = 90
"""Fixed for ever: the arguments of a queue cannot change once it is declared."""

BINDINGS = {
    QUEUE_REQUESTS: REQUEST_TYPES,
    QUEUE_REQUESTS_BULK: tuple(f"{event_type}{BULK_SUFFIX}" for event_type in BULK_TYPES),
}
"""The routing keys that each queue of requests is bound by."""


class PrefectureBroker(RabbitmqBroker):
    """Confirms each publication, declares the exchange and the bindings with the queues of requests."""

    def __init__(self, url: str, middleware: Sequence[Middleware]) -> None:
        super().__init__(url=url, confirm_delivery=True, middleware=list(middleware))
        self.parameters = [connection_parameters(url)]

    @property
    def consumer_class(self) -> type[GuardedConsumer]:
        """Ours."""
        return GuardedConsumer

    def _declare_queue(self, queue_name: str) -> Any:  # noqa: ANN401 — pika's frame
        declared = super()._declare_queue(queue_name)  # type: ignore[no-untyped-call]
        if queue_name in BINDINGS:
            self.channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True)
            for routing_key in BINDINGS[queue_name]:
                self.channel.queue_bind(queue_name, EXCHANGE, routing_key)
        return declared

    def _declare_xq_queue(self, queue_name: str) -> Any:  # noqa: ANN401 — pika's frame
        arguments = {"x-message-ttl": DEAD_LETTER_DAYS * 24 * 3_600_000}
        return self.channel.queue_declare(queue=xq_name(queue_name), durable=True, arguments=arguments)


def connection_parameters(url: str) -> pika.URLParameters:
    """How to reach RabbitMQ; what the URL does not say is set so that a dead peer is seen within minutes."""
    parameters = pika.URLParameters(url)
    if "heartbeat=" not in url:
        parameters.heartbeat = HEARTBEAT_SECONDS
    if "blocked_connection_timeout=" not in url:
        parameters.blocked_connection_timeout = BLOCKED_SECONDS
    parameters.client_properties = {"connection_name": "module-prefecture"}
    return parameters


def build_broker(url: str, middleware: Sequence[Middleware] = ()) -> PrefectureBroker:
    """A broker with our encoder; nothing is connected yet."""
    set_encoder(PrefectureEncoder())
    tolerate_any_properties()
    return PrefectureBroker(url, middleware)
