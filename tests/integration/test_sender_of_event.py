"""The broker alone determines the sender of an event: no content of a message can choose it, and retries keep it."""

import json
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import dramatiq
import pika
import pytest
from dramatiq import Worker
from dramatiq.middleware import CurrentMessage
from sqlalchemy.exc import OperationalError

from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import EXCHANGE, QUEUE_REQUESTS, REQUEST_LISTE_EXPORT, request_key
from tests.faults.poison import Poison, header, nested
from tests.parts.town import account_of, queue_messages
from tests.parts.wait import wait_until
from worker.messaging.broker import PrefectureBroker, build_broker
from worker.messaging.consumer import REASON_HEADER, SENDER_HEADER
from worker.messaging.encoder import INGEST, SENDER
from worker.messaging.middleware import build_middleware
from worker.messaging.queues import add_account_queues

EVENT = CloudEvent.wrap(ListeExportRequested(commune="13900", requested_by="mairie"), source="/test")
FORGED = "prefecture"
DEAD = f"{QUEUE_REQUESTS}.XQ"


@pytest.fixture
def account(amqp_url: str) -> str:
    return urlsplit(amqp_url).username or ""


@pytest.fixture
def broker(amqp_url: str, account: str) -> Iterator[PrefectureBroker]:
    with closing(build_broker(amqp_url, build_middleware())) as broker:
        broker.declare_queue(QUEUE_REQUESTS, ensure=True)
        add_account_queues(amqp_url, account)
        broker.list_accounts = lambda: [account]
        yield broker


def _publish(amqp_url: str, body: bytes, properties: pika.BasicProperties, exchange: str = EXCHANGE) -> None:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        routing_key = request_key(account_of(amqp_url), REQUEST_LISTE_EXPORT) if exchange else QUEUE_REQUESTS
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)


def _take(broker: PrefectureBroker) -> Any:  # noqa: ANN401 — Dramatiq's proxy of a message
    with closing(broker.consume(QUEUE_REQUESTS, timeout=200)) as consumer:
        return wait_until(lambda: next(consumer), message="a message")


def _call(**options: object) -> bytes:
    event = json.loads(EVENT.to_bytes())
    fields = {"queue_name": QUEUE_REQUESTS, "actor_name": INGEST, "args": [event], "kwargs": {}, "options": options}
    return json.dumps(fields | {"message_id": "1", "message_timestamp": 1}).encode()


def test_the_sender_is_the_account_that_published(broker: PrefectureBroker, amqp_url: str, account: str) -> None:
    with Publisher(amqp_url) as publisher:
        publisher.publish(EVENT)
    assert _take(broker).options[SENDER] == account != ""


def test_an_event_that_does_not_say_it_has_no_sender(broker: PrefectureBroker, amqp_url: str) -> None:
    _publish(amqp_url, EVENT.to_bytes(), pika.BasicProperties())
    assert _take(broker).options[SENDER] == ""


def test_nothing_in_the_message_chooses_the_sender(broker: PrefectureBroker, amqp_url: str) -> None:
    body = json.dumps(json.loads(EVENT.to_bytes()) | {"sender": FORGED, "userid": FORGED}).encode()
    headers = {SENDER: FORGED, SENDER_HEADER: FORGED, "user_id": FORGED}
    _publish(amqp_url, body, pika.BasicProperties(headers=headers, app_id=FORGED))
    assert _take(broker).options[SENDER] == ""


@pytest.mark.parametrize("options", [{SENDER: FORGED}, {}], ids=str)
def test_one_of_our_calls_from_outside_is_put_aside(
    broker: PrefectureBroker, amqp_url: str, account: str, options: dict[str, object]
) -> None:
    _publish(amqp_url, _call(**options), pika.BasicProperties(user_id=account))
    _put_aside(broker, amqp_url)
    ((headers, _),) = queue_messages(amqp_url, DEAD)
    assert (headers[REASON_HEADER], headers[SENDER_HEADER]) == ("a call of ours, from outside", account)


def test_a_retry_keeps_the_sender(broker: PrefectureBroker, amqp_url: str, account: str) -> None:
    senders: list[str] = []

    def ingest(_event: dict[str, Any]) -> None:
        message = CurrentMessage.get_current_message()
        assert message is not None
        senders.append(message.options[SENDER])
        if len(senders) == 1:
            raise OperationalError("SELECT 1", None, Exception("away"))

    dramatiq.actor(broker=broker, actor_name=INGEST, queue_name=QUEUE_REQUESTS)(ingest)
    worker = Worker(broker, worker_threads=1, worker_timeout=100)
    worker.start()
    try:
        with Publisher(amqp_url) as publisher:
            publisher.publish(EVENT)
        wait_until(lambda: len(senders) == 2, message="the second try")
    finally:
        worker.stop()
    assert senders == [account, account]


UNREADABLE = {
    "a date in the year 36,558,901,084": header(b"T", struct.pack(">Q", 1 << 60)),
    "the latest date of all": header(b"T", struct.pack(">Q", (1 << 64) - 1)),
    "tables in tables": nested(5_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("table", UNREADABLE.values(), ids=UNREADABLE)
def test_headers_that_python_cannot_hold_break_no_connection(
    broker: PrefectureBroker, amqp_url: str, table: bytes
) -> None:
    _publish(amqp_url, EVENT.to_bytes(), Poison(b"", table=table).properties)
    _publish(amqp_url, EVENT.to_bytes(), pika.BasicProperties())
    assert _take(broker).message_id == EVENT.id, "the message behind it"
    ((headers, body),) = queue_messages(amqp_url, DEAD)
    assert headers[REASON_HEADER] == "unreadable properties"
    assert body == EVENT.to_bytes()


def _put_aside(broker: PrefectureBroker, amqp_url: str, count: int = 1) -> None:
    """Consume until this many messages are dead letters; no other message was delivered."""
    with (
        closing(broker.consume(QUEUE_REQUESTS, timeout=100)) as consumer,
        pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection,
    ):
        channel = connection.channel()

        def is_done() -> bool:
            assert next(consumer) is None
            return bool(channel.queue_declare(DEAD, passive=True).method.message_count == count)

        wait_until(is_done, message=f"{count} dead letters")
