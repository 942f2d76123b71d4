"""How full the queues are, asked of the broker without its management plugin."""

from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pika
from dramatiq.common import xq_name
from pika.exceptions import AMQPError, ChannelClosedByBroker

from schemas.vocabulary import ExportKind
from worker.errors import TransientError
from worker.messaging.broker import connection_parameters
from worker.messaging.doorbell import DOORBELL_QUEUES
from worker.messaging.encoder import ACTOR_QUEUES

_TIMEOUT_SECONDS = 5


class QueueState(NamedTuple):
    """One of our queues: messages that wait, processes that read it, messages put aside from it."""

    queue: str
    messages: int
    consumers: int
    dead_letters: int


def read_queues(url: str) -> list[QueueState]:
    """Each queue; one that is not declared yet is empty and has no reader.

    Raises:
        TransientError: the broker is away.
    """
    parameters = connection_parameters(url)
    parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = _TIMEOUT_SECONDS
    try:
        with closing(pika.BlockingConnection(parameters)) as connection:
            return list(_read(connection))
    except (AMQPError, OSError) as error:
        raise TransientError(f"Courtier RabbitMQ injoignable ({type(error).__name__}).") from None


def count_doorbells(url: str) -> dict[tuple[ExportKind, bool], int]:
    """How many doorbells wait, by the kind of file that they ring for, and whether of a batch.

    Raises:
        TransientError: the broker is away.
    """
    messages = {state.queue: state.messages for state in read_queues(url)}
    return {what: messages[queue] for what, queue in DOORBELL_QUEUES.items()}


def _read(connection: pika.BlockingConnection) -> Iterator[QueueState]:
    for queue in sorted(set(ACTOR_QUEUES.values())):
        messages, consumers = _declare(connection, queue)
        dead_letters, _ = _declare(connection, xq_name(queue))
        yield QueueState(queue, messages, consumers, dead_letters)


def _declare(connection: pika.BlockingConnection, queue: str) -> tuple[int, int]:
    channel = connection.channel()  # one each: the broker closes that of a queue which is not there
    try:
        declared = channel.queue_declare(queue, passive=True).method
    except ChannelClosedByBroker:
        return 0, 0
    channel.close()
    return declared.message_count, declared.consumer_count
