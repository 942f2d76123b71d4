"""The broker's queues: where doorbells are put, and how full they are, asked without its management plugin."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import pika
from dramatiq import Broker, Message
from dramatiq.common import xq_name
from pika.exceptions import AMQPError, ChannelClosedByBroker

from schemas.topology import LISTENER_PREFIX
from schemas.vocabulary import ExportKind
from worker.doorbell import Doorbell, PreviewDoorbell
from worker.errors import TransientError
from worker.messaging.broker import PrefectureBroker, connection_parameters
from worker.messaging.encoder import (
    ACTOR_QUEUES,
    EXPORT_LISTE,
    EXPORT_LISTE_BULK,
    HANDLE_PREVIEW,
    RENDER_TABLEAU,
    RENDER_TABLEAU_BULK,
    TAKE_UP_PARKED,
)

_ACTORS = {
    (ExportKind.LISTE, False): EXPORT_LISTE,
    (ExportKind.LISTE, True): EXPORT_LISTE_BULK,
    (ExportKind.TABLEAU, False): RENDER_TABLEAU,
    (ExportKind.TABLEAU, True): RENDER_TABLEAU_BULK,
}
DOORBELL_QUEUES = {what: ACTOR_QUEUES[actor] for what, actor in _ACTORS.items()}
"""Where the doorbells of a kind of file stand, by whether they are of a batch."""


class DoorbellQueues:
    """The queues of the doorbells: one per kind of file, those of batches apart, one for exports that arrive."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        for queue in ACTOR_QUEUES.values():
            broker.declare_queue(queue)

    def enqueue(self, doorbells: Sequence[Doorbell | PreviewDoorbell]) -> None:
        """Hand over one message per row; raises Dramatiq's BrokerConnectionError when the broker is away."""
        self._enqueue(
            [
                (HANDLE_PREVIEW, it.preview_id)
                if isinstance(it, PreviewDoorbell)
                else (_ACTORS[it.kind, it.is_bulk], it.export_id)
                for it in doorbells
            ]
        )

    def enqueue_parked(self, parked_ids: Sequence[int]) -> None:
        """The same, for parked events that are to be looked at."""
        self._enqueue([(TAKE_UP_PARKED, parked_id) for parked_id in parked_ids])

    def _enqueue(self, calls: Sequence[tuple[str, int]]) -> None:
        messages: list[Message[Any]] = [
            Message(queue_name=ACTOR_QUEUES[actor], actor_name=actor, args=(row_id,), kwargs={}, options={})
            for actor, row_id in calls
        ]
        if isinstance(self._broker, PrefectureBroker) and len(messages) > 1:
            self._broker.enqueue_all(messages)
            return
        for message in messages:
            self._broker.enqueue(message)


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
    with _connect(url) as connection:
        return list(_read(connection))


@contextmanager
def _connect(url: str) -> Iterator[pika.BlockingConnection]:
    parameters = connection_parameters(url)
    parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = _TIMEOUT_SECONDS
    try:
        with closing(pika.BlockingConnection(parameters)) as connection:
            yield connection
    except (AMQPError, OSError) as error:
        raise TransientError(f"Courtier RabbitMQ injoignable ({type(error).__name__}).") from None


def read_listeners(url: str, names: Iterable[str]) -> list[QueueState]:
    """The queues of those that listen to our events.

    Raises:
        TransientError: the broker is away.
    """
    with _connect(url) as connection:
        queues = [LISTENER_PREFIX + name for name in names]
        return [QueueState(queue, *_declare(connection, queue), 0) for queue in queues]


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
        dead_letters = count_messages(connection, xq_name(queue))
        yield QueueState(queue, messages, consumers, dead_letters)


def count_messages(connection: pika.BlockingConnection, queue: str) -> int:
    """How many wait in a queue; none in one that is not there."""
    return _declare(connection, queue)[0]


def _declare(connection: pika.BlockingConnection, queue: str) -> tuple[int, int]:
    channel = connection.channel()  # one each: the broker closes that of a queue which is not there
    try:
        declared = channel.queue_declare(queue, passive=True).method
    except ChannelClosedByBroker:
        return 0, 0
    channel.close()
    return declared.message_count, declared.consumer_count
