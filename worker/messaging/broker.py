"""The broker: Dramatiq's for RabbitMQ with confirms, our topology, dead letters that live long enough.

And whether it answers, and is who it should be.
"""

import socket
import ssl
from collections.abc import Sequence
from typing import Any

import pika
from dramatiq import Middleware, set_encoder
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import xq_name
from pika.exceptions import AMQPError

from common.tls import explain_tls
from schemas.topology import (
    BULK_SUFFIX,
    BULK_TYPES,
    EXCHANGE,
    QUEUE_REQUESTS,
    QUEUE_REQUESTS_BULK,
    REQUEST_TYPES,
)
from worker.errors import ConfigurationError, TransientError
from worker.messaging.consumer import GuardedConsumer, tolerate_any_properties
from worker.messaging.encoder import PrefectureEncoder

HEARTBEAT_SECONDS = 60
BLOCKED_SECONDS = 30
_PROBE_SECONDS = 5
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


def ping_broker(url: str) -> str:
    """Connect and leave; gives « host:port/vhost », never the account's password.

    Raises:
        TransientError: nobody answers there, or the account is refused.
    """
    try:
        parameters = connection_parameters(url)
    except (ValueError, TypeError):
        raise TransientError("l'adresse n'a pas la forme amqp://compte:mot-de-passe@hôte:5672/vhost") from None
    place = f"{parameters.host}:{parameters.port}/{parameters.virtual_host}"
    parameters.socket_timeout = parameters.stack_timeout = _PROBE_SECONDS
    try:
        pika.BlockingConnection(parameters).close()
    except (AMQPError, OSError) as error:
        reason = f"TLS impossible : {explain_tls(error)}" if isinstance(error, ssl.SSLError) else type(error).__name__
        raise TransientError(f"{place} ({reason})") from None
    return place


def require_trusted(url: str) -> None:
    """Refuse to start when the broker is not who it should be; one that is away is waited for.

    Raises:
        ConfigurationError: its certificate is refused.
    """
    parameters = connection_parameters(url)
    if (tls := parameters.ssl_options) is None:
        return
    try:
        with (
            socket.create_connection((parameters.host, parameters.port), _PROBE_SECONDS) as connection,
            tls.context.wrap_socket(connection, server_hostname=tls.server_hostname or parameters.host),
        ):
            return
    except ssl.SSLCertVerificationError as error:
        raise ConfigurationError(
            f"RabbitMQ ({parameters.host}:{parameters.port}) est refusé : TLS impossible ({explain_tls(error)}) ; "
            "corrigez PREFECTURE_AMQP_URL ou SSL_CERT_FILE"
        ) from None
    except OSError:
        return
