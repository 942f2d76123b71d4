"""The broker's queues: sends the messages of rows, and counts messages without the management plugin.

Each function with the address of the broker raises the errors of `connect`.
"""

import ssl
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, NamedTuple

import pika
from dramatiq import Broker, Message
from dramatiq.common import xq_name
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionBlockedTimeout

from common.database import explain_tls
from schemas.topology import EXCHANGE, LISTENER_PREFIX, QUEUE_REQUESTS_BULK, account_queue
from worker.doorbell import Doorbell
from worker.errors import RefusedError, TransientError
from worker.messaging.broker import connection_parameters
from worker.messaging.consumer import declare_account
from worker.messaging.encoder import ACTOR_QUEUES, BULK, INGEST_ACTORS

DOORBELL_QUEUES = {
    (name.removesuffix(BULK), name.endswith(BULK)): queue
    for name, queue in ACTOR_QUEUES.items()
    if name not in INGEST_ACTORS.values()
}
"""The queue of the messages of a kind of work, by whether they are of a batch."""


class DoorbellQueues:
    """The queues of rows: one per kind of file, separate ones for batches, one for exports of the REU."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        for queue in ACTOR_QUEUES.values():
            broker.declare_queue(queue)

    def enqueue(self, doorbells: Sequence[Doorbell]) -> None:
        """Send one message per row; raises Dramatiq's BrokerConnectionError when the broker is away."""
        for it in doorbells:
            queue, actor = (
                DOORBELL_QUEUES[it.kind, it.is_bulk],
                it.kind + (BULK if it.is_bulk else ""),
            )
            message: Message[Any] = Message(
                queue_name=queue, actor_name=actor, args=(it.row_id,), kwargs={}, options={}
            )
            self._broker.enqueue(message)


_TIMEOUT_SECONDS = 5
_ACCESS_REFUSED = 403


class BrokerBlockedError(TransientError):
    """The broker accepts no message while its disk or its memory is short."""


class QueueState(NamedTuple):
    """One of our queues: waiting messages, processes that read it, dead letters."""

    queue: str
    messages: int
    consumers: int
    dead_letters: int


def read_queues(url: str, accounts: Collection[str] = ()) -> list[QueueState]:
    """Return the state of each queue, zero for one not declared; requests include the queues of these accounts."""
    states = []
    with connect(url) as connection:
        for queue in sorted(set(ACTOR_QUEUES.values())):
            messages, consumers = _declare(connection, queue)
            if queue in INGEST_ACTORS:
                theirs = (
                    account_queue(it, is_bulk=queue == QUEUE_REQUESTS_BULK) for it in accounts
                )
                messages += sum(count_messages(connection, it) for it in theirs)
            states.append(
                QueueState(queue, messages, consumers, count_messages(connection, xq_name(queue)))
            )
    return states


@contextmanager
def connect(url: str) -> Iterator[pika.BlockingConnection]:
    """Connect to the broker.

    Raises:
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
    parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = (
        _TIMEOUT_SECONDS
    )
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
    except (AMQPError, OSError) as error:
        reason = (
            f"TLS impossible : {explain_tls(error)}"
            if isinstance(error, ssl.SSLError)
            else type(error).__name__
        )
        raise TransientError(
            f"Courtier RabbitMQ injoignable ({parameters.host}:{parameters.port}, {reason})."
        ) from None


def ping_broker(url: str) -> str:
    """Publish a message to no queue; return « host:port/vhost », never the account's password.

    RabbitMQ tells of an alarm only to a connection that publishes. An account without the right to publish so is only
    connected.
    """
    with connect(url) as connection:
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


def count_doorbells(url: str) -> dict[tuple[str, bool], int]:
    """Return the number of waiting messages, by kind of work, and whether of a batch."""
    messages = {state.queue: state.messages for state in read_queues(url)}
    return {what: messages[queue] for what, queue in DOORBELL_QUEUES.items()}


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


def add_account_queues(url: str, account: str) -> None:
    """Declare the queues of an account that may ask; its messages wait there until a worker reads them."""
    with connect(url) as connection:
        try:  # if the exchange exists, the account needs no right to declare it
            connection.channel().exchange_declare(EXCHANGE, passive=True)
        except ChannelClosedByBroker:
            connection.channel().exchange_declare(EXCHANGE, exchange_type="topic", durable=True)
        channel = connection.channel()
        for is_bulk in (False, True):
            declare_account(channel, account, is_bulk=is_bulk)


def remove_account_queues(channel: BlockingChannel, account: str) -> int:
    """Delete the queues of an account with their messages; return the number of messages."""
    queues = (account_queue(account, is_bulk=is_bulk) for is_bulk in (False, True))
    return sum(channel.queue_delete(queue).method.message_count or 0 for queue in queues)
