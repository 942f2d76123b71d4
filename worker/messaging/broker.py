"""The broker: Dramatiq's for RabbitMQ with confirms, our topology, and dead letters of 90 days.

Also checks that RabbitMQ answers, and that its certificate is trusted.
"""

import socket
import ssl
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import pika
from dramatiq import Message, Middleware, set_encoder, worker
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import xq_name
from pika import spec
from pika.channel import Channel
from pika.exceptions import AMQPError, NackError, UnroutableError

from common.database import explain_tls
from schemas.topology import EXCHANGE
from worker.errors import ConfigurationError, TransientError
from worker.messaging.consumer import GuardedConsumer, tolerate_any_properties
from worker.messaging.encoder import INGEST_ACTORS, PrefectureEncoder

HEARTBEAT_SECONDS = 60
BLOCKED_SECONDS = 30
_PROBE_SECONDS = 5

RECONNECT_SECONDS = 1.0
"""The pause of a consumer before it reconnects; Dramatiq's default is three seconds."""

_PERSISTENT = pika.BasicProperties(delivery_mode=2)
DEAD_LETTER_DAYS = 90
"""Fixed: the arguments of a declared queue cannot change."""


class PrefectureBroker(RabbitmqBroker):
    """Confirms each publication, and declares the exchange with the queues of requests."""

    def __init__(self, url: str, middleware: Sequence[Middleware]) -> None:
        super().__init__(url=url, confirm_delivery=True, middleware=list(middleware))
        self.list_accounts: Callable[[], Collection[str]] = tuple
        """Returns the accounts whose queues the consumers read; without the database, the last known accounts."""
        self.may_publish = True
        """Whether this process may publish: one that reads no requests may not, see `SafeRetries`."""
        self.parameters = [connection_parameters(url)]

    @property
    def consumer_class(self) -> type[GuardedConsumer]:
        """The class of the consumers of this broker."""
        return GuardedConsumer

    def publish_all(self, publications: Sequence["Outgoing"]) -> Sequence["Outgoing"]:
        """Publish on the connection of the calling thread, then wait once for the confirms of all.

        Return the publications that some queue refused, unless they are mandatory.

        Raises:
            NotAllPublishedError: the broker is away, or refuses a mandatory one. Any of them may have been published.
        """
        pipeline: _Pipeline | None = getattr(self.state, "pipeline", None)
        if pipeline is not None and pipeline.connection is not getattr(self.state, "connection", None):
            pipeline = None
        try:
            if pipeline is None:
                pipeline = self.state.pipeline = _Pipeline(self.connection)
            return pipeline.publish(publications)
        except AMQPError as trouble:
            self.state.pipeline = None
            del self.connection
            raise NotAllPublishedError(pipeline.confirmed if pipeline else 0) from trouble

    def enqueue_all(self, messages: Sequence[Message[Any]]) -> None:
        """Publish our messages with one wait; if that fails, publish one after the other, so that each is retried."""
        try:
            for queue_name in sorted({message.queue_name for message in messages}):
                self.declare_queue(queue_name, ensure=True)
            self.publish_all(
                [
                    Outgoing("", message.queue_name, message.encode(), _PERSISTENT, is_mandatory=True)
                    for message in messages
                ]
            )
        except AMQPError:
            for message in messages:
                self.enqueue(message)

    def _declare_queue(self, queue_name: str) -> Any:  # noqa: ANN401 — pika's frame
        declared = super()._declare_queue(queue_name)  # type: ignore[no-untyped-call]
        if queue_name in INGEST_ACTORS:
            self.channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True)
        return declared

    def _declare_xq_queue(self, queue_name: str) -> Any:  # noqa: ANN401 — pika's frame
        arguments = {"x-message-ttl": DEAD_LETTER_DAYS * 24 * 3_600_000}
        return self.channel.queue_declare(queue=xq_name(queue_name), durable=True, arguments=arguments)


class Outgoing(NamedTuple):
    """A message to publish; `is_mandatory`: it is an error when no queue accepts it."""

    exchange: str
    routing_key: str
    body: bytes
    properties: pika.BasicProperties
    is_mandatory: bool = False


class NotAllPublishedError(AMQPError):
    """The first `confirmed` publications are confirmed; the cause states why the others may not be."""

    def __init__(self, confirmed: int) -> None:
        super().__init__(f"confirmed: {confirmed}")
        self.confirmed = confirmed


class _Pipeline:
    """A channel with confirms that sends all messages before it waits; pika's own waits after each message."""

    def __init__(self, connection: pika.BlockingConnection) -> None:
        self.connection = connection
        self._blocking = connection.channel()
        self._channel: Channel = self._blocking._impl  # type: ignore[attr-defined]  # noqa: SLF001 — there is no other way
        self._published = 0
        self._first = 1
        self._waiting: dict[int, Outgoing] = {}
        self._refused: list[Outgoing] = []
        self._troubles: list[AMQPError] = []
        confirmed: list[object] = []
        self._channel.confirm_delivery(ack_nack_callback=self._on_confirmation, callback=confirmed.append)
        self._channel.add_on_return_callback(lambda *_: self._troubles.append(UnroutableError([])))
        self._wait(lambda: bool(confirmed))

    @property
    def confirmed(self) -> int:
        """The number of confirmed messages of the last publication, from the first on."""
        return min(self._waiting, default=self._published + 1) - self._first

    def publish(self, publications: Sequence[Outgoing]) -> Sequence[Outgoing]:
        self._troubles.clear()
        self._refused = []
        self._first = self._published + 1
        for one in publications:
            self._published += 1
            self._waiting[self._published] = one
            self._channel.basic_publish(one.exchange, one.routing_key, one.body, one.properties, one.is_mandatory)
        self._wait(lambda: not self._waiting)
        if self._troubles:
            raise self._troubles[0]
        return self._refused

    def _on_confirmation(self, frame: Any) -> None:  # noqa: ANN401 — pika's
        method = frame.method
        tag = method.delivery_tag
        answered = [it for it in self._waiting if it <= tag] if method.multiple else [tag]
        for one in [self._waiting.pop(it) for it in answered]:
            if isinstance(method, spec.Basic.Nack) and one.is_mandatory:
                self._troubles.append(NackError([]))
            elif isinstance(method, spec.Basic.Nack):
                self._refused.append(one)

    def _wait(self, is_done: Callable[[], bool]) -> None:
        self._blocking._flush_output(is_done)  # type: ignore[attr-defined]  # noqa: SLF001 — as its own publication does


def connection_parameters(url: str) -> pika.URLParameters:
    """Return the connection parameters; defaults that the URL lacks detect a dead peer within minutes."""
    parameters = pika.URLParameters(url)
    if "heartbeat=" not in url:
        parameters.heartbeat = HEARTBEAT_SECONDS
    if "blocked_connection_timeout=" not in url:
        parameters.blocked_connection_timeout = BLOCKED_SECONDS
    parameters.client_properties = {"connection_name": "module-prefecture"}
    return parameters


def build_broker(url: str, middleware: Sequence[Middleware] = ()) -> PrefectureBroker:
    """Return a broker with our encoder; it is not connected yet."""
    worker.CONSUMER_RESTART_DELAY_SECS = RECONNECT_SECONDS
    set_encoder(PrefectureEncoder())
    tolerate_any_properties()
    return PrefectureBroker(url, middleware)


def ping_broker(url: str) -> str:
    """Connect and disconnect; return « host:port/vhost », never the account's password.

    Raises:
        TransientError: no broker answers there, or the account is refused.
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
    """Check the broker's certificate before the start; a broker that is away passes.

    Raises:
        ConfigurationError: the certificate is refused.
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
