"""Messages that Dramatiq would lose on RabbitMQ, and our broker does not."""

from collections.abc import Iterator
from contextlib import closing
from itertools import product
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import dramatiq
import pytest
from dramatiq import Message, Worker
from dramatiq.errors import ConnectionClosed
from sqlalchemy.exc import OperationalError

from schemas.topology import QUEUE_LISTES
from schemas.vocabulary import ExportKind
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import queue_messages
from tests.parts.wait import wait_until
from worker.doorbell import Doorbell
from worker.messaging.broker import PrefectureBroker, build_broker
from worker.messaging.consumer import REASON_HEADER
from worker.messaging.encoder import LISTE
from worker.messaging.middleware import build_middleware
from worker.messaging.queues import DOORBELL_QUEUES, DoorbellQueues


@pytest.fixture
def broker(amqp_url: str) -> Iterator[PrefectureBroker]:
    with closing(build_broker(amqp_url, build_middleware())) as broker:
        yield broker


def test_an_acknowledgment_from_before_a_reconnection_hits_no_other_message(
    broker: PrefectureBroker, amqp_url: str
) -> None:
    DoorbellQueues(broker).enqueue([Doorbell(1, ExportKind.LISTE)])
    with closing(broker.consume(QUEUE_LISTES, timeout=1000)) as before:
        late = _next(before)
    with closing(broker.consume(QUEUE_LISTES, timeout=1000)) as after:
        again = _next(after)
        after.ack(late)
        assert (late.args, again.args) == ((1,), (1,))
    assert len(queue_messages(amqp_url, QUEUE_LISTES)) == 1


def test_a_call_that_fails_by_a_bug_waits_among_the_dead_letters(broker: PrefectureBroker, amqp_url: str) -> None:
    def fail(_export_id: int) -> None:
        raise KeyError

    dramatiq.actor(broker=broker, actor_name=LISTE, queue_name=QUEUE_LISTES)(fail)
    DoorbellQueues(broker).enqueue([Doorbell(7, ExportKind.LISTE)])
    worker = Worker(broker, worker_threads=1, worker_timeout=100)
    worker.start()
    try:
        dead = wait_until(lambda: queue_messages(amqp_url, f"{QUEUE_LISTES}.XQ"), message="the dead letter")
    finally:
        worker.stop()
    ((headers, body),) = dead
    assert headers[REASON_HEADER] == "failed: KeyError"
    assert Message.decode(body).args == (7,)
    assert queue_messages(amqp_url, QUEUE_LISTES) == []


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [True, False])
def test_what_the_database_is_away_for_is_delivered_again_and_is_no_dead_letter(
    broker: PrefectureBroker, amqp_url: str, rabbit_node: RabbitNode, is_killed: bool
) -> None:
    """The broker may be away at the same time."""
    tries = []

    def fail_once(export_id: int) -> None:
        tries.append(export_id)
        if len(tries) == 1:
            if is_killed:
                rabbit_node.kill()
            raise OperationalError("SELECT 1", None, Exception("away"))

    dramatiq.actor(broker=broker, actor_name=LISTE, queue_name=QUEUE_LISTES)(fail_once)
    DoorbellQueues(broker).enqueue([Doorbell(7, ExportKind.LISTE)])
    worker = Worker(broker, worker_threads=1, worker_timeout=100)
    worker.start()
    try:
        wait_until(lambda: tries, message="a first try")
        if is_killed:
            wait_until(lambda: not rabbit_node.alive, message="the end of the broker")
            rabbit_node.start()
        wait_until(lambda: len(tries) > 1, message="another try")
    finally:
        worker.stop()
    assert tries == [7, 7]
    assert (queue_messages(amqp_url, f"{QUEUE_LISTES}.XQ"), queue_messages(amqp_url, QUEUE_LISTES)) == ([], [])


@pytest.mark.slow
def test_a_consumer_tries_again_and_again_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A minute long; no server listens there."""
    with closing(build_broker("amqp://127.0.0.1:1", build_middleware())) as broker:
        dramatiq.actor(broker=broker, actor_name=LISTE, queue_name=QUEUE_LISTES)(print)
        tries: list[str] = []
        consume = broker.consume

        def count_and_consume(queue_name: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401 — passed on
            tries.append(queue_name)
            return consume(queue_name, *args, **options)

        monkeypatch.setattr(broker, "consume", count_and_consume)
        worker = Worker(broker, worker_threads=1, worker_timeout=100)
        worker.start()
        try:
            wait_until(lambda: min(map(tries.count, set(tries)), default=0) > 2, message="several tries of each queue")
        finally:
            worker.stop()
    said = [record.name for record in caplog.records if "connection error" in record.message]
    assert len(said) == len(set(said)) == len(set(tries))


def test_each_worker_holds_as_many_messages_as_it_has_threads(
    broker: PrefectureBroker, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    dramatiq.actor(broker=broker, actor_name=LISTE, queue_name=QUEUE_LISTES)(lambda _id: None)
    worker = Worker(broker, worker_threads=3, worker_timeout=100)
    worker.start()
    question = ("list_consumers", "-p", unquote(urlsplit(amqp_url).path[1:]), "queue_name", "prefetch_count")
    try:
        wait_until(lambda: f"{QUEUE_LISTES}\t3" in rabbit_node.rabbitmqctl(*question), message="a prefetch of 3")
    finally:
        worker.stop()


def test_a_doorbell_that_the_broker_does_not_take_is_told(
    broker: PrefectureBroker, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    policy = {"pattern": ".*", "apply-to": "queues", "definition": {"max-length": 1, "overflow": "reject-publish"}}
    vhost = quote(unquote(urlsplit(amqp_url).path[1:]), safe="")
    rabbit_node.management.request("PUT", f"/policies/{vhost}/short", policy)
    doorbells = DoorbellQueues(broker)
    doorbells.enqueue([Doorbell(1, ExportKind.LISTE)])
    with pytest.raises(ConnectionClosed, match="NACK"):
        doorbells.enqueue([Doorbell(2, ExportKind.LISTE)])


def test_doorbells_leave_together_for_the_queue_of_each(broker: PrefectureBroker, amqp_url: str) -> None:
    kinds = (ExportKind.LISTE, ExportKind.TABLEAU)
    doorbells = [Doorbell(number, kinds[number % 2], number > 50) for number in range(1, 101)]
    DoorbellQueues(broker).enqueue(doorbells)
    found = {
        what: [Message.decode(body).args[0] for _, body in queue_messages(amqp_url, DOORBELL_QUEUES[what])]
        for what in product(kinds, (False, True))
    }
    assert found == {what: [it.row_id for it in doorbells if it[1:] == what] for what in found}


def _next(consumer: Any) -> Any:  # noqa: ANN401 — Dramatiq's consumers are partly typed
    return wait_until(lambda: next(consumer), message="a message")
