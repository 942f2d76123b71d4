"""Messages that Dramatiq would lose on RabbitMQ, and our broker does not; the broker alone says who sent an event."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import product
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import dramatiq
import pika
import pytest
from dramatiq import Message, Worker, set_encoder
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import ConnectionClosed
from sqlalchemy.exc import OperationalError

from common.logs import configure_logs
from producers.publisher import Publisher
from schemas.envelope import CloudEvent, Data
from schemas.events import AnsweredRequest, FileStage, FileStatus, RequestStage, RequestStatus
from schemas.requests import ListeExportRequested
from schemas.topology import (
    EXCHANGE,
    QUEUE_LISTES,
    QUEUE_REQUESTS,
    REQUEST_LISTE_EXPORT,
    listener_key,
    request_key,
)
from schemas.vocabulary import ExportKind, FileFormat, Liste
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import account_of, queue_messages
from tests.parts.wait import wait_until
from worker.actors import AFTER_THOSE, AT_ONCE
from worker.doorbell import Doorbell
from worker.errors import TransientError
from worker.messaging.broker import PrefectureBroker, build_broker
from worker.messaging.encoder import (
    ACTOR_QUEUES,
    BULK,
    INGEST,
    LISTE,
    TABLEAU,
    IncomingEvent,
    PrefectureEncoder,
)
from worker.messaging.events import EventPublisher
from worker.messaging.middleware import build_middleware
from worker.messaging.queues import (
    DOORBELL_QUEUES,
    BrokerBlockedError,
    DoorbellQueues,
    QueueState,
    add_account_queues,
    is_blocked,
    ping_broker,
    read_queues,
)


@pytest.fixture
def broker(amqp_url: str) -> Iterator[PrefectureBroker]:
    with closing(build_broker(amqp_url, build_middleware())) as broker:
        yield broker


@contextmanager
def _working(broker: dramatiq.Broker, threads: int = 1) -> Iterator[None]:
    worker = Worker(broker, worker_threads=threads, worker_timeout=100)
    worker.start()
    try:
        yield
    finally:
        worker.stop()


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


def test_a_call_that_fails_by_a_bug_waits_among_the_dead_letters(
    broker: PrefectureBroker, amqp_url: str
) -> None:
    def fail(_export_id: int) -> None:
        raise KeyError

    dramatiq.actor(broker=broker, actor_name=LISTE, queue_name=QUEUE_LISTES)(fail)
    DoorbellQueues(broker).enqueue([Doorbell(7, ExportKind.LISTE)])
    with _working(broker):
        dead = wait_until(
            lambda: queue_messages(amqp_url, f"{QUEUE_LISTES}.XQ"), message="the dead letter"
        )
    ((_, body),) = dead
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
    with _working(broker):
        wait_until(lambda: tries, message="a first try")
        if is_killed:
            wait_until(lambda: not rabbit_node.alive, message="the end of the broker")
            rabbit_node.start()
        wait_until(lambda: len(tries) > 1, message="another try")
    assert tries == [7, 7]
    assert (
        queue_messages(amqp_url, f"{QUEUE_LISTES}.XQ"),
        queue_messages(amqp_url, QUEUE_LISTES),
    ) == ([], [])


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
        with _working(broker):
            wait_until(
                lambda: min(map(tries.count, set(tries)), default=0) > 2,
                message="several tries of each queue",
            )
    said = [record.name for record in caplog.records if "connection error" in record.message]
    assert len(said) == len(set(said)) == len(set(tries))


def test_each_worker_holds_as_many_messages_as_it_has_threads(
    broker: PrefectureBroker, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    dramatiq.actor(broker=broker, actor_name=LISTE, queue_name=QUEUE_LISTES)(lambda _id: None)
    question = (
        "list_consumers",
        "-p",
        unquote(urlsplit(amqp_url).path[1:]),
        "queue_name",
        "prefetch_count",
    )
    with _working(broker, threads=3):
        wait_until(
            lambda: f"{QUEUE_LISTES}\t3" in rabbit_node.rabbitmqctl(*question),
            message="a prefetch of 3",
        )


def test_a_doorbell_that_the_broker_does_not_take_is_told(
    broker: PrefectureBroker, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    policy = {
        "pattern": ".*",
        "apply-to": "queues",
        "definition": {"max-length": 1, "overflow": "reject-publish"},
    }
    vhost = quote(unquote(urlsplit(amqp_url).path[1:]), safe="")
    rabbit_node.management.request("PUT", f"/policies/{vhost}/short", policy)
    doorbells = DoorbellQueues(broker)
    doorbells.enqueue([Doorbell(1, ExportKind.LISTE)])
    with pytest.raises(ConnectionClosed, match="NACK"):
        doorbells.enqueue([Doorbell(2, ExportKind.LISTE)])


def test_doorbells_leave_together_for_the_queue_of_each(
    broker: PrefectureBroker, amqp_url: str
) -> None:
    kinds = (ExportKind.LISTE, ExportKind.TABLEAU)
    doorbells = [Doorbell(number, kinds[number % 2], number > 50) for number in range(1, 101)]
    DoorbellQueues(broker).enqueue(doorbells)
    found = {
        what: [
            Message.decode(body).args[0]
            for _, body in queue_messages(amqp_url, DOORBELL_QUEUES[what])
        ]
        for what in product(kinds, (False, True))
    }
    assert found == {what: [it.row_id for it in doorbells if it[1:] == what] for what in found}


def _next(consumer: Any) -> Any:  # noqa: ANN401 — Dramatiq's consumers are partly typed
    return wait_until(lambda: next(consumer), message="a message")


def test_queues_are_measured_without_being_declared(amqp_url: str) -> None:
    assert read_queues(amqp_url) == [
        QueueState(name, 0, 0, 0) for name in sorted(set(ACTOR_QUEUES.values()))
    ]

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


def test_an_alarm_of_the_broker_is_named(amqp_url: str, rabbit_node: RabbitNode) -> None:
    assert not is_blocked(amqp_url)
    rabbit_node.rabbitmqctl("set_vm_memory_high_watermark", "0")
    try:
        wait_until(lambda: is_blocked(amqp_url), message="the alarm")
        with pytest.raises(BrokerBlockedError, match="son disque ou sa mémoire manque"):
            ping_broker(amqp_url)
        assert read_queues(amqp_url), "the alarm stops publishers only"
    finally:
        rabbit_node.rabbitmqctl("set_vm_memory_high_watermark", "0.6")
    wait_until(lambda: not is_blocked(amqp_url), message="the end of the alarm")


EVENT = CloudEvent.wrap(
    ListeExportRequested(commune="13900", requested_by="mairie"), source="/test"
)
FORGED = "prefecture"
DEAD = f"{QUEUE_REQUESTS}.XQ"


@pytest.fixture
def ingesting(amqp_url: str) -> Iterator[PrefectureBroker]:
    with closing(build_broker(amqp_url, build_middleware())) as ingesting:
        ingesting.declare_queue(QUEUE_REQUESTS, ensure=True)
        add_account_queues(amqp_url, account_of(amqp_url))
        ingesting.list_accounts = lambda: [account_of(amqp_url)]
        yield ingesting


def _publish_raw(
    amqp_url: str, body: bytes, properties: pika.BasicProperties, exchange: str = EXCHANGE
) -> None:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        routing_key = (
            request_key(account_of(amqp_url), REQUEST_LISTE_EXPORT) if exchange else QUEUE_REQUESTS
        )
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)


def _take(ingesting: PrefectureBroker) -> Any:  # noqa: ANN401 — Dramatiq's proxy of a message
    with closing(ingesting.consume(QUEUE_REQUESTS, timeout=200)) as consumer:
        return _next(consumer)


def _call(**options: object) -> bytes:
    event = json.loads(EVENT.to_bytes())
    fields = {
        "queue_name": QUEUE_REQUESTS,
        "actor_name": INGEST,
        "args": [event],
        "kwargs": {},
        "options": options,
    }
    return json.dumps(fields | {"message_id": "1", "message_timestamp": 1}).encode()


def test_an_event_that_does_not_say_it_has_no_sender(
    ingesting: PrefectureBroker, amqp_url: str
) -> None:
    _publish_raw(amqp_url, EVENT.to_bytes(), pika.BasicProperties())
    assert _take(ingesting).args[0].sender == ""


def test_nothing_in_the_message_chooses_the_sender(
    ingesting: PrefectureBroker, amqp_url: str
) -> None:
    body = json.dumps(json.loads(EVENT.to_bytes()) | {"sender": FORGED, "userid": FORGED}).encode()
    headers = {"sender": FORGED, "x-sender": FORGED, "user_id": FORGED}
    _publish_raw(amqp_url, body, pika.BasicProperties(headers=headers, app_id=FORGED))
    assert _take(ingesting).args[0].sender == ""


@pytest.mark.parametrize(
    ("exchange", "body"),
    [(where, call) for where in (EXCHANGE, "") for call in (_call(), _call(sender=FORGED))]
    + [("", EVENT.to_bytes())],
    ids=["exchange-call", "exchange-sender", "queue-call", "queue-sender", "queue-event"],
)
def test_a_forged_call_or_event_is_put_aside(
    ingesting: PrefectureBroker, amqp_url: str, exchange: str, body: bytes
) -> None:
    """`notifier`, `requests` and `exploitant` may publish straight to a queue, where an event is forged too."""
    _publish_raw(amqp_url, body, pika.BasicProperties(user_id=account_of(amqp_url)), exchange)
    with (
        closing(ingesting.consume(QUEUE_REQUESTS, timeout=100)) as consumer,
        pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection,
    ):
        channel = connection.channel()

        def is_done() -> bool:
            assert next(consumer) is None, "no other message is delivered"
            return bool(channel.queue_declare(DEAD, passive=True).method.message_count == 1)

        wait_until(is_done, message="a dead letter")
    assert queue_messages(amqp_url, DEAD)[0][1] == body


def test_a_retry_keeps_the_sender(ingesting: PrefectureBroker, amqp_url: str) -> None:
    senders: list[str] = []

    def ingest(incoming: IncomingEvent) -> None:
        senders.append(incoming.sender)
        if len(senders) == 1:
            raise OperationalError("SELECT 1", None, Exception("away"))

    dramatiq.actor(broker=ingesting, actor_name=INGEST, queue_name=QUEUE_REQUESTS)(ingest)
    with _working(ingesting), Publisher(amqp_url) as publisher:
        publisher.publish(EVENT)
        wait_until(lambda: len(senders) == 2, message="the second try")
    assert senders == [account_of(amqp_url)] * 2


def test_batches_get_a_fifth_of_a_process_that_reads_every_queue() -> None:
    """Whatever its threads, and however many single requests wait in several queues."""
    set_encoder(PrefectureEncoder())
    broker, done = StubBroker(middleware=list(build_middleware())), list[str]()

    def work(name: str, _row: int) -> None:
        done.append(name)
        time.sleep(0.005)  # the process receives the next messages meanwhile

    for name in (LISTE, TABLEAU, LISTE + BULK):
        priority = AFTER_THOSE if name.endswith(BULK) else AT_ONCE
        declare = dramatiq.actor(
            broker=broker, actor_name=name, queue_name=ACTOR_QUEUES[name], priority=priority
        )
        declare(partial(work, name))
        for row_id in range(1, 61):
            broker.enqueue(Message(ACTOR_QUEUES[name], name, (row_id,), {}, {}))
    with _working(broker):
        wait_until(lambda: len(done) == 180, message="the messages")
    assert 10 <= done[:100].count(LISTE + BULK) <= 60, (
        "twenty, or more where no single message was held yet"
    )


ABOUT = AnsweredRequest(source="/test", id="1")
_LISTE = {
    "export_id": 1,
    "commune": "13900",
    "liste": Liste.PRINCIPALE,
    "format": FileFormat.CSV,
    "label": "Liste P",
}
EVENTS: dict[str, Data] = {
    "a commune": RequestStatus(
        request=ABOUT, status=RequestStage.SETTLED, request_id=1, commune="13900", ready=1
    ),
    "no commune": RequestStatus(request=ABOUT, status=RequestStage.REFUSED, reason="essai"),
    "progress": FileStatus.model_validate(
        _LISTE | {"request": ABOUT, "status": FileStage.RUNNING, "lines_written": 0}
    ),
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


def test_an_event_is_published_where_no_worker_ever_ran(
    amqp_url: str, publisher: EventPublisher
) -> None:
    publisher.publish(_event(), "")
    _bind(amqp_url)
    publisher.publish(_event(), "")
    assert [
        CloudEvent.from_bytes(body).type for _, body in queue_messages(amqp_url, "listener")
    ] == [_event().type]


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
    with (
        closing(build_broker(amqp_url)) as broker,
        pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection,
    ):
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
        assert [
            CloudEvent.from_bytes(body).id
            for _, body in queue_messages(amqp_url, f"listener.{name}")
        ] == expected
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
def test_who_hears_an_event(
    amqp_url: str, publisher: EventPublisher, event_of: str, heard_by: set[str]
) -> None:
    """An event about a commune that its account may not request goes to this account only: it may name the account."""
    publisher.publish(_event(), "")
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        for name, key in KEYS.items():
            channel.queue_declare(name, durable=True)
            channel.queue_bind(name, EXCHANGE, key)
        channel.queue_bind(
            "its account", EXCHANGE, KEYS["its commune"]
        )  # bound both ways, it hears an event once
    publisher.publish(_event(event_of), "mairie.13900")
    heard = {name: queue_messages(amqp_url, name) for name in KEYS}
    assert {name for name, messages in heard.items() if messages} == heard_by
    assert {len(messages) for messages in heard.values()} == {0, 1}
    assert all(not headers for messages in heard.values() for headers, _ in messages), "hidden"
