"""Our own events on a real exchange."""

import json
from collections.abc import Iterator
from contextlib import closing

import pika
import pytest

from common.logs import configure_logs
from schemas.envelope import CloudEvent, Data
from schemas.events import AnsweredRequest, FileStage, FileStatus, RequestStage, RequestStatus
from schemas.topology import EXCHANGE, listener_key
from schemas.vocabulary import FileFormat, Liste
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import queue_messages
from worker.errors import TransientError
from worker.messaging.broker import build_broker
from worker.messaging.events import EventPublisher

ABOUT = AnsweredRequest(source="/test", id="1")
LISTE = {"export_id": 1, "commune": "13900", "liste": Liste.PRINCIPALE, "format": FileFormat.CSV, "label": "Liste P"}
EVENTS: dict[str, Data] = {
    "a commune": RequestStatus(request=ABOUT, status=RequestStage.SETTLED, request_id=1, commune="13900", ready=1),
    "no commune": RequestStatus(request=ABOUT, status=RequestStage.REFUSED, reason="essai"),
    "progress": FileStatus.model_validate(LISTE | {"request": ABOUT, "status": FileStage.RUNNING, "lines_written": 0}),
}


def _event(about: str = "no commune") -> CloudEvent:
    return CloudEvent.wrap(EVENTS[about], source="/module-prefecture")


@pytest.fixture
def publisher(amqp_url: str) -> Iterator[EventPublisher]:
    with closing(build_broker(amqp_url)) as broker:
        yield EventPublisher(broker)


def _bind(amqp_url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("listener", durable=True)
        channel.queue_bind("listener", EXCHANGE, _event().type)


def test_an_event_is_published_where_no_worker_ever_ran(amqp_url: str, publisher: EventPublisher) -> None:
    publisher.publish(_event(), "")
    _bind(amqp_url)
    publisher.publish(_event(), "")
    assert [CloudEvent.from_bytes(body).type for _, body in queue_messages(amqp_url, "listener")] == [_event().type]


@pytest.mark.slow
def test_a_connection_that_died_while_idle_is_made_anew(
    amqp_url: str, rabbit_node: RabbitNode, publisher: EventPublisher
) -> None:
    publisher.publish(_event(), "")
    _bind(amqp_url)
    rabbit_node.restart()
    publisher.publish(_event(), "")
    assert len(queue_messages(amqp_url, "listener")) == 1


@pytest.mark.slow
def test_a_broker_that_is_away_is_said(rabbit_node: RabbitNode, publisher: EventPublisher) -> None:
    rabbit_node.stop()
    with pytest.raises(TransientError, match="Courtier RabbitMQ injoignable"):
        publisher.publish(_event(), "")
    rabbit_node.start()
    publisher.publish(_event(), "")


def test_a_full_queue_neither_repeats_an_event_to_the_others_nor_delays_it(
    amqp_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The broker refuses the whole publication, and does not name the full queue."""
    configure_logs("json", "INFO")
    ready = [_event("a commune") for _ in range(5)]
    with closing(build_broker(amqp_url)) as broker, pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        publisher = EventPublisher(broker, source="/ville")
        publisher.publish(_event(), "")
        channel = connection.channel()
        limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
        for name, arguments in (("full", limits), ("other", {}), ("third", {})):
            channel.queue_declare(f"listener.{name}", durable=True, arguments=arguments)
            channel.queue_bind(f"listener.{name}", EXCHANGE, listener_key(commune="*"))
        for event in ready:
            publisher.publish(event, "")
    expected = [event.id for event in ready]
    for name in ("other", "third"):
        assert [CloudEvent.from_bytes(body).id for _, body in queue_messages(amqp_url, f"listener.{name}")] == expected
    (told, *others) = queue_messages(amqp_url, "listener.full")
    assert len(others) < len(ready) - 1
    assert CloudEvent.from_bytes(told[1]).source == "/ville"
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    refused = [line for line in lines if line["event"] == "event_not_taken_by_all"]
    assert len(refused) >= 3


KEYS = {
    "its commune": listener_key(commune="13900"),
    "each commune": listener_key(commune="*"),
    "another commune": listener_key(commune="13055"),
    "its account": listener_key(account="mairie.13900"),
    "another account": listener_key(account="mairie"),
    "as before": "fr.openelec.prefecture.event.*.v1",
    "everything": "fr.openelec.prefecture.event.#",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event_of", "heard_by"),
    [
        ("a commune", {"its commune", "each commune", "its account", "as before", "everything"}),
        ("no commune", {"its account", "everything"}),
        ("progress", {"its account", "everything"}),
    ],
)
def test_who_hears_an_event(amqp_url: str, publisher: EventPublisher, event_of: str, heard_by: set[str]) -> None:
    """An event about a commune that its account may not request goes to this account only: it may name the account."""
    publisher.publish(_event(), "")
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        for name, key in KEYS.items():
            channel.queue_declare(name, durable=True)
            channel.queue_bind(name, EXCHANGE, key)
        channel.queue_bind("its account", EXCHANGE, KEYS["its commune"])  # bound both ways, it hears an event once
    publisher.publish(_event(event_of), "mairie.13900")
    heard = {name: queue_messages(amqp_url, name) for name in KEYS}
    assert {name for name, messages in heard.items() if messages} == heard_by
    assert {len(messages) for messages in heard.values()} == {0, 1}
    assert all(not headers for messages in heard.values() for headers, _ in messages), "hidden"
