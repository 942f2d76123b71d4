"""The broker: Dramatiq's for RabbitMQ with confirms, our topology, and dead letters of 90 days.

Also checks that its certificate is trusted.
"""

import socket
import ssl
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pika
from dramatiq import Middleware, set_encoder, worker
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import xq_name

from common.database import explain_tls
from schemas.topology import EXCHANGE
from worker.errors import ConfigurationError
from worker.messaging.consumer import GuardedConsumer, tolerate_any_properties
from worker.messaging.encoder import INGEST_ACTORS, PrefectureEncoder

HEARTBEAT_SECONDS = 60
_PROBE_SECONDS = 5

RECONNECT_SECONDS = 1.0
"""The pause of a consumer before it reconnects; Dramatiq's default is three seconds."""

DEAD_LETTER_DAYS = 90
"""Fixed: the arguments of a declared queue cannot change."""


class PrefectureBroker(RabbitmqBroker):
    """Confirms each publication, and declares the exchange with the queues of requests."""

    def __init__(self, url: str, middleware: Sequence[Middleware]) -> None:
        super().__init__(url=url, confirm_delivery=True, middleware=list(middleware))
        self.list_accounts: Callable[[], Collection[str]] = tuple
        """Returns the accounts whose queues the consumers read; without the database, the last known accounts."""
        self.parameters = [connection_parameters(url)]

    @property
    def consumer_class(self) -> type[GuardedConsumer]:
        """The class of the consumers of this broker."""
        return GuardedConsumer

    def _declare_queue(self, queue_name: str) -> Any:  # noqa: ANN401 — pika's frame
        declared = super()._declare_queue(queue_name)  # type: ignore[no-untyped-call]
        if queue_name in INGEST_ACTORS:
            self.channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True)
        return declared

    def _declare_xq_queue(self, queue_name: str) -> Any:  # noqa: ANN401 — pika's frame
        arguments = {"x-message-ttl": DEAD_LETTER_DAYS * 24 * 3_600_000}
        return self.channel.queue_declare(
            queue=xq_name(queue_name), durable=True, arguments=arguments
        )


def connection_parameters(url: str) -> pika.URLParameters:
    """Return the connection parameters; defaults that the URL lacks detect a dead peer within minutes."""
    parameters = pika.URLParameters(url)
    if "heartbeat=" not in url:
        parameters.heartbeat = HEARTBEAT_SECONDS
    if "blocked_connection_timeout=" not in url:
        parameters.blocked_connection_timeout = 30
    parameters.client_properties = {"connection_name": "module-prefecture"}
    return parameters


def build_broker(url: str, middleware: Sequence[Middleware] = ()) -> PrefectureBroker:
    """Return a broker with our encoder; it is not connected yet."""
    worker.CONSUMER_RESTART_DELAY_SECS = RECONNECT_SECONDS
    set_encoder(PrefectureEncoder())
    tolerate_any_properties()
    return PrefectureBroker(url, middleware)


def require_trusted(url: str) -> None:
    """Check the broker's certificate before the start; a broker that is away passes.

    Raises:
        ConfigurationError: the certificate is refused.
    """
    parameters = connection_parameters(url)
    if (tls := parameters.ssl_options) is None:
        return
    try:
        with (
            socket.create_connection(
                (parameters.host, parameters.port), _PROBE_SECONDS
            ) as connection,
            tls.context.wrap_socket(
                connection, server_hostname=tls.server_hostname or parameters.host
            ),
        ):
            return
    except ssl.SSLCertVerificationError as error:
        raise ConfigurationError(
            f"RabbitMQ ({parameters.host}:{parameters.port}) est refusé : TLS impossible ({explain_tls(error)}) ; "
            "corrigez PREFECTURE_AMQP_URL ou SSL_CERT_FILE"
        ) from None
    except OSError:
        return
