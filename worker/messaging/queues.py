"""The broker's queues: sends tokens, and counts messages without the management plugin.

Each function with the address of the broker raises the errors of `connect`.
"""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import NamedTuple

import pika
from dramatiq import Broker
from dramatiq.common import xq_name
from pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelClosedByBroker,
    ConnectionBlockedTimeout,
    ProbableAuthenticationError,
)

from common.database import explain_tls
from schemas.topology import LISTENER_PREFIX
from worker.errors import RefusedError, TransientError
from worker.messaging.broker import PrefectureBroker, connection_parameters
from worker.messaging.consumer import make_token
from worker.messaging.reading import ACTORS


class TokenQueues:
    """Sends tokens to the queues of workers, and counts those that wait there.

    Both raise Dramatiq's BrokerConnectionError or pika's AMQPError if the broker is away.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        for queue in ACTORS:
            broker.declare_queue(queue)

    def send(self, queue: str, number: int = 1) -> None:
        """Send so many tokens to a queue; a full queue has enough of them."""
        for _ in range(number):
            if not isinstance(self._broker, PrefectureBroker):
                self._broker.enqueue(make_token(queue))  # in memory, of the embedded mode
            elif not self._broker.publish_token(queue):
                return

    def count(self, queue: str) -> int:
        """Return the number of tokens that wait in a queue."""
        if isinstance(self._broker, PrefectureBroker):
            return self._broker.count(queue)
        return int(self._broker.queues[queue].qsize())


_TIMEOUT_SECONDS = 5
_ACCESS_REFUSED = 403
_LOGIN_REFUSALS = ProbableAuthenticationError, AuthenticationError


class BrokerBlockedError(TransientError):
    """The broker accepts no message while its disk or its memory is short."""


class LoginRefusedError(TransientError):
    """The broker does not know the account, or refuses its password."""


class QueueState(NamedTuple):
    """One of our queues: waiting messages, processes that read it, dead letters."""

    queue: str
    messages: int
    consumers: int
    dead_letters: int


def read_queues(url: str, seconds: float = _TIMEOUT_SECONDS) -> list[QueueState]:
    """Return the state of each queue, zero for one not declared."""
    with connect(url, seconds) as connection:
        return [
            QueueState(
                queue, *_declare(connection, queue), count_messages(connection, xq_name(queue))
            )
            for queue in sorted(ACTORS)
        ]


@contextmanager
def connect(url: str, seconds: float = _TIMEOUT_SECONDS) -> Iterator[pika.BlockingConnection]:
    """Connect to the broker; `seconds`: the longest wait for one of its answers.

    Raises:
        LoginRefusedError: the broker refuses account or password.
        BrokerBlockedError: the broker does not accept what the block publishes.
        TransientError: the broker is away, or the connection is lost.
        RefusedError: the account of this process lacks a right.
    """
    try:
        parameters = connection_parameters(url)
    except (ValueError, TypeError):
        raise TransientError(
            "l'adresse n'a pas la forme amqp://compte:mot-de-passe@hôte:5672/vhost"
        ) from None
    parameters.socket_timeout = parameters.stack_timeout = seconds
    parameters.blocked_connection_timeout = seconds
    try:
        with closing(pika.BlockingConnection(parameters)) as connection:
            yield connection
    except ChannelClosedByBroker as error:
        if error.reply_code == _ACCESS_REFUSED:
            raise RefusedError(
                "RabbitMQ refuse cela à ce compte : employez celui de l'exploitant (PREFECTURE_AMQP_URL)"
            ) from None
        raise RefusedError(f"RabbitMQ refuse : {error.reply_text}") from None
    except ConnectionBlockedTimeout:
        raise BrokerBlockedError(
            "RabbitMQ n'accepte plus aucun message : son disque ou sa mémoire manque (« docker compose exec broker "
            "rabbitmq-diagnostics check_local_alarms » dit lequel)"
        ) from None
    except _LOGIN_REFUSALS:
        account = getattr(parameters.credentials, "username", "")
        raise LoginRefusedError(f"RabbitMQ refuse le mot de passe du compte {account}") from None
    except (AMQPError, OSError) as error:
        reason = (
            f"TLS impossible : {explain_tls(error)}"
            if isinstance(error, ssl.SSLError)
            else type(error).__name__
        )
        raise TransientError(
            f"Courtier RabbitMQ injoignable ({parameters.host}:{parameters.port}, {reason})."
        ) from None


def ping_broker(url: str, seconds: float = _TIMEOUT_SECONDS) -> str:
    """Publish a message to no queue; return « host:port/vhost », never the account's password.

    RabbitMQ tells of an alarm only to a connection that publishes. An account without the right to publish so is only
    connected.
    """
    with connect(url, seconds) as connection:
        with suppress(ChannelClosedByBroker):
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish("", "prefecture.ping", b"")  # a routing key that no queue has
        parameters = connection_parameters(url)
        return f"{parameters.host}:{parameters.port}/{parameters.virtual_host}"


def is_blocked(url: str) -> bool:
    """Return whether the broker accepts no message, because its disk or its memory is short."""
    try:
        ping_broker(url)
    except BrokerBlockedError:
        return True
    return False


def read_listeners(url: str, names: Iterable[str]) -> list[QueueState]:
    """Return the state of the listeners' queues."""
    with connect(url) as connection:
        queues = [LISTENER_PREFIX + name for name in names]
        return [QueueState(queue, *_declare(connection, queue), 0) for queue in queues]


def count_messages(connection: pika.BlockingConnection, queue: str) -> int:
    """Return the number of messages in a queue; zero if it does not exist."""
    return _declare(connection, queue)[0]


def _declare(connection: pika.BlockingConnection, queue: str) -> tuple[int, int]:
    channel = connection.channel()  # one each: the broker closes it if the queue is missing
    try:
        declared = channel.queue_declare(queue, passive=True).method
    except ChannelClosedByBroker:
        return 0, 0
    channel.close()
    return declared.message_count, declared.consumer_count
