"""Our own events, on a real exchange."""

from collections.abc import Iterator
from contextlib import closing

import pika
import pytest

from schemas.envelope import CloudEvent
from schemas.events import RequestRefused
from schemas.requests import RequestReference
from schemas.topology import EXCHANGE
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import queue_messages
from worker.errors import TransientError
from worker.messaging.broker import build_broker
from worker.messaging.events import EventPublisher

pytestmark = pytest.mark.integration


@pytest.fixture
def publisher(amqp_url: str) -> Iterator[EventPublisher]:
    with closing(build_broker(amqp_url)) as broker:
        yield EventPublisher(broker)


def test_an_event_is_published_where_no_worker_ever_ran(amqp_url: str, publisher: EventPublisher) -> None:
    publisher.publish(_event())
    _bind(amqp_url)
    publisher.publish(_event())
    assert [CloudEvent.from_bytes(body).type for _, body in queue_messages(amqp_url, "listener")] == [_event().type]


def test_a_connection_that_died_while_idle_is_made_anew(
    amqp_url: str, rabbit_node: RabbitNode, publisher: EventPublisher
) -> None:
    publisher.publish(_event())
    _bind(amqp_url)
    rabbit_node.restart()
    publisher.publish(_event())
    assert len(queue_messages(amqp_url, "listener")) == 1


def test_a_broker_that_is_away_is_said(rabbit_node: RabbitNode, publisher: EventPublisher) -> None:
    rabbit_node.stop()
    with pytest.raises(TransientError, match="Courtier RabbitMQ injoignable"):
        publisher.publish(_event())
    rabbit_node.start()
    publisher.publish(_event())


def _event() -> CloudEvent:
    refused = RequestRefused(request=RequestReference(source="/test", id="1"), reason="essai")
    return CloudEvent.wrap(refused, source="/module-prefecture")


def _bind(amqp_url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("listener", durable=True)
        channel.queue_bind("listener", EXCHANGE, _event().type)
