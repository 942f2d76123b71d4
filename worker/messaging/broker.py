"""The broker: Dramatiq's for RabbitMQ with confirms, our topology, and dead letters of 90 days.

Also checks that its certificate is trusted.
"""

import socket
import ssl
from collections.abc import Sequence
from copy import copy
from typing import Any

import pika
from dramatiq import Middleware, worker
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import xq_name
from pika.exceptions import AMQPError, NackError, UnroutableError

from common.database import explain_tls
from schemas.topology import EXCHANGE, MOST_TOKENS, REQUEST_QUEUES, request_bindings
from worker.errors import ConfigurationError
from worker.messaging.consumer import GuardedConsumer, tolerate_any_properties

HEARTBEAT_SECONDS = 60
"""A peer that is silent for about three of them is dead."""

EVENTS_HEARTBEAT_SECONDS = 5
"""Of a consumer of events: one that is frozen holds the whole queue, until the broker gives it to the next one."""

_PROBE_SECONDS = 5

RECONNECT_SECONDS = 1.0
"""The pause of a consumer before it reconnects; Dramatiq's default is three seconds."""

DEAD_LETTER_DAYS = 90
"""Fixed: the arguments of a declared queue cannot change."""


_TRANSIENT = pika.BasicProperties(delivery_mode=1)

MOST_EVENTS, MOST_EVENT_BYTES = 100_000, 128 << 20
"""The bounds of a queue of events: a full one refuses further events."""


def queue_arguments(queue: str) -> dict[str, Any]:
    """Return the arguments of a queue; once it is declared they cannot change.

    A queue of events has one active consumer, so that its events are handled in order.
    """
    bounds: dict[str, Any] = {"x-max-length": MOST_TOKENS}
    if queue in REQUEST_QUEUES:
        bounds = {"x-max-length": MOST_EVENTS, "x-max-length-bytes": MOST_EVENT_BYTES}
        bounds["x-single-active-consumer"] = True
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": xq_name(queue)}
    return dead | bounds | {"x-overflow": "reject-publish"}


class PrefectureBroker(RabbitmqBroker):
    """Confirms each publication, and declares the exchange with the queues of events.

    No queue has a second one for delayed messages: the table of work has the delays.
    """

    def __init__(self, url: str, middleware: Sequence[Middleware]) -> None:
        super().__init__(url=url, confirm_delivery=True, middleware=list(middleware))
        self.parameters = [connection_parameters(url)]

    @property
    def consumer_class(self) -> type[GuardedConsumer]:
        """The class of the consumers of this broker."""
        return GuardedConsumer

    def parameters_of(self, queue_name: str) -> list[pika.URLParameters]:
        """Return the parameters of the connection of a consumer."""
        if queue_name not in REQUEST_QUEUES:
            return self.parameters
        (parameters,) = map(copy, self.parameters)
        parameters.heartbeat = EVENTS_HEARTBEAT_SECONDS
        return [parameters]

    def declare_queue(self, queue_name: str, *, ensure: bool = False) -> None:
        """Declare a queue, on the broker too with `ensure`; raises ConnectionClosed if the broker is away."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.queues_pending.add(queue_name)
            self.emit_after("declare_queue", queue_name)
        if ensure:
            self._ensure_queue(queue_name)  # type: ignore[no-untyped-call]

    def publish_token(self, queue: str) -> bool:
        """Publish a token, confirmed, which the broker need not keep; return False when the queue is full.

        A message that is to survive is confirmed once it is on the disk: 0.15 s in a queue that has
        a backlog, as against 1 ms. A queue that is missing is declared.

        Raises:
            AMQPError, BrokerConnectionError: the broker is away, or the queue may not be declared.
        """
        for is_last in (False, True):  # a connection that was idle for long may be dead
            try:
                self.channel.basic_publish("", queue, b"", _TRANSIENT, mandatory=True)
            except NackError:
                return False
            except UnroutableError:
                self.queues_pending.add(queue)
                self.declare_queue(queue, ensure=True)
                if is_last:
                    raise
            except AMQPError:
                del self.connection
                if is_last:
                    raise
            else:
                break
        return True

    def count(self, queue_name: str) -> int:
        """Return the number of messages that wait in a queue; one that was deleted is declared again.

        Raises:
            AMQPError, BrokerConnectionError: the broker is away; the next call connects again.
        """
        try:
            self.declare_queue(queue_name, ensure=True)
            return int(self._declare_queue(queue_name).method.message_count)
        except AMQPError:
            del self.connection
            raise

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        return queue_arguments(queue_name)

    def _declare_queue(self, queue_name: str) -> Any:  # noqa: ANN401 — pika's frame
        declared = super()._declare_queue(queue_name)  # type: ignore[no-untyped-call]
        if queue_name in REQUEST_QUEUES:
            self.channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True)
            for key in request_bindings(queue_name):
                self.channel.queue_bind(queue_name, EXCHANGE, key)
        return declared

    def _declare_dq_queue(self, queue_name: str) -> None:
        """Declare nothing: no message is delayed."""

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
    """Return a broker; it is not connected yet."""
    worker.CONSUMER_RESTART_DELAY_SECS = RECONNECT_SECONDS
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
