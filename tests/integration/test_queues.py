"""The lengths of the queues of a real broker."""

import pika
import pytest

from schemas.topology import QUEUE_LISTES, QUEUE_REQUESTS
from worker.errors import TransientError
from worker.messaging.encoder import ACTOR_QUEUES
from worker.messaging.queues import QueueState, read_queues


def test_queues_are_measured_without_being_declared(amqp_url: str) -> None:
    assert read_queues(amqp_url) == [QueueState(name, 0, 0, 0) for name in sorted(set(ACTOR_QUEUES.values()))]

    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for queue, number in ((QUEUE_LISTES, 3), (f"{QUEUE_LISTES}.XQ", 2), (QUEUE_REQUESTS, 0)):
            channel.queue_declare(queue, durable=True)
            for _ in range(number):
                channel.basic_publish("", queue, b"x")
        channel.basic_consume(QUEUE_REQUESTS, lambda *_: None)
        seen = {state.queue: state for state in read_queues(amqp_url)}

    assert seen[QUEUE_LISTES] == (QUEUE_LISTES, 3, 0, 2)
    assert seen[QUEUE_REQUESTS] == (QUEUE_REQUESTS, 0, 1, 0)


def test_an_absent_broker_is_said_to_be_away() -> None:
    with pytest.raises(TransientError, match="injoignable"):
        read_queues("amqp://guest:guest@127.0.0.1:1/%2F")
