"""Messages through a real RabbitMQ: none is lost, none stops a worker, and no message chooses its sender."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import dramatiq
import pika
import pytest
from dramatiq import Worker
from sqlalchemy.exc import OperationalError

from common.logs import configure_logs
from producers.errors import PublishError, QueueFullError
from producers.publisher import Publisher
from schemas.envelope import CloudEvent, Data
from schemas.events import AnsweredRequest, RequestStage, RequestStatus
from schemas.requests import ListeExportRequested
from schemas.topology import (
    EXCHANGE,
    MOST_TOKENS,
    QUEUE_LISTES,
    QUEUE_PROGRAMS,
    QUEUE_REQUESTS,
    QUEUE_TABLEAUX,
    REQUEST_LISTE_EXPORT,
    SCREEN_ACCOUNT,
    TOKEN_QUEUES,
    listener_key,
    request_key,
)
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import account_of, queue_messages
from tests.parts.wait import wait_until
from worker.errors import TransientError
from worker.messaging.broker import PrefectureBroker, build_broker
from worker.messaging.events import EventPublisher
from worker.messaging.middleware import build_middleware
from worker.messaging.queues import (
    BrokerBlockedError,
    QueueState,
    TokenQueues,
    is_blocked,
    ping_broker,
    read_queues,
)
from worker.messaging.reading import ACTORS, IncomingEvent

AWAY = OperationalError("SELECT 1", None, Exception("away"))


@pytest.fixture
def broker(amqp_url: str) -> Iterator[PrefectureBroker]:
    """A broker whose queues are declared, as a worker declares them."""
    with closing(build_broker(amqp_url, build_middleware())) as broker:
        for queue in ACTORS:
            broker.declare_queue(queue, ensure=True)
        yield broker


@pytest.fixture
def tokens(broker: PrefectureBroker) -> TokenQueues:
    return TokenQueues(broker)


@contextmanager
def _working(broker: dramatiq.Broker, queue: str, threads: int = 1) -> Iterator[None]:
    """A worker that reads one queue."""
    worker = Worker(broker, queues={queue}, worker_threads=threads, worker_timeout=100)
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def _declare_actor(broker: dramatiq.Broker, queue: str, function: Any) -> None:  # noqa: ANN401 — of any arguments
    dramatiq.actor(broker=broker, actor_name=ACTORS[queue], queue_name=queue)(function)


def _next(consumer: Any) -> Any:  # noqa: ANN401 — Dramatiq's consumers are partly typed
    return wait_until(lambda: next(consumer), message="a message")


def _vhost(amqp_url: str) -> str:
    return unquote(urlsplit(amqp_url).path[1:])


def test_late_acknowledgment_removes_no_message_of_the_next_connection(
    broker: PrefectureBroker, tokens: TokenQueues
) -> None:
    tokens.send(QUEUE_LISTES)
    with closing(broker.consume(QUEUE_LISTES, timeout=1000)) as before:
        late = _next(before)
    with closing(broker.consume(QUEUE_LISTES, timeout=1000)) as after:
        _next(after)
        after.ack(late)
    assert tokens.count(QUEUE_LISTES) == 1


EVENT = CloudEvent.wrap(
    ListeExportRequested(commune="13900", requested_by="mairie"), source="/test"
)


def test_event_that_fails_by_a_bug_becomes_a_dead_letter(
    broker: PrefectureBroker, amqp_url: str
) -> None:
    def fail(_incoming: IncomingEvent) -> None:
        raise KeyError

    _declare_actor(broker, QUEUE_PROGRAMS, fail)
    with Publisher(amqp_url) as publisher:
        publisher.publish(EVENT)
    with _working(broker, QUEUE_PROGRAMS):
        ((_, body),) = wait_until(
            lambda: queue_messages(amqp_url, f"{QUEUE_PROGRAMS}.XQ"), message="the dead letter"
        )
    assert CloudEvent.from_bytes(body) == EVENT
    assert queue_messages(amqp_url, QUEUE_PROGRAMS) == []


@pytest.mark.parametrize("error", [KeyError(), AWAY], ids=["a bug", "no database"])
def test_token_is_acknowledged_whatever_its_work_raises(
    broker: PrefectureBroker, amqp_url: str, error: Exception, tokens: TokenQueues
) -> None:
    """The sweep sends another token, because the work is due."""
    tries: list[str] = []

    def fail() -> None:
        tries.append("")
        raise error

    _declare_actor(broker, QUEUE_LISTES, fail)
    tokens.send(QUEUE_LISTES, 2)
    with _working(broker, QUEUE_LISTES):
        wait_until(lambda: len(tries) == 2, message="both tokens")
    assert tokens.count(QUEUE_LISTES) == 0
    assert queue_messages(amqp_url, f"{QUEUE_LISTES}.XQ") == []


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [True, False])
def test_event_is_delivered_again_after_the_database_was_away(
    broker: PrefectureBroker, amqp_url: str, rabbit_node: RabbitNode, is_killed: bool
) -> None:
    """The broker may be away at the same time."""
    tries: list[tuple[str, str]] = []

    def fail_once(incoming: IncomingEvent) -> None:
        tries.append((incoming.event.id, incoming.sender))
        if len(tries) == 1:
            if is_killed:
                rabbit_node.kill()
            raise AWAY

    _declare_actor(broker, QUEUE_PROGRAMS, fail_once)
    with Publisher(amqp_url) as publisher:
        publisher.publish(EVENT)
    with _working(broker, QUEUE_PROGRAMS):
        wait_until(lambda: tries, message="a first try")
        if is_killed:
            wait_until(lambda: not rabbit_node.alive, message="the end of the broker")
            rabbit_node.start()
        wait_until(lambda: len(tries) > 1, message="another try")
    assert tries == [(EVENT.id, account_of(amqp_url))] * 2
    for queue in (QUEUE_PROGRAMS, f"{QUEUE_PROGRAMS}.XQ"):
        assert queue_messages(amqp_url, queue) == []


@pytest.mark.slow
def test_consumer_without_a_broker_tries_again_and_logs_it_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No server listens there."""
    with closing(build_broker("amqp://127.0.0.1:1", build_middleware())) as broker:
        _declare_actor(broker, QUEUE_LISTES, print)
        tries: list[str] = []
        consume = broker.consume

        def count_and_consume(queue_name: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401 — passed on
            tries.append(queue_name)
            return consume(queue_name, *args, **options)

        monkeypatch.setattr(broker, "consume", count_and_consume)
        with _working(broker, QUEUE_LISTES):
            wait_until(lambda: len(tries) > 2, message="several tries")
    assert sum("connection error" in record.message for record in caplog.records) == 1


def test_worker_holds_a_token_for_each_thread_and_one_event(
    broker: PrefectureBroker, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    question = "list_consumers", "-p", _vhost(amqp_url), "queue_name", "prefetch_count"
    for queue, held in ((QUEUE_LISTES, 3), (QUEUE_PROGRAMS, 1)):
        _declare_actor(broker, queue, print)
        with _working(broker, queue, threads=3):
            shown = f"{queue}\t{held}\n"
            wait_until(lambda: shown in rabbit_node.rabbitmqctl(*question), message=shown)  # noqa: B023 — waited for here


def test_tokens_reach_their_queue_and_name_no_row(tokens: TokenQueues, amqp_url: str) -> None:
    for number, queue in enumerate(TOKEN_QUEUES, start=1):
        tokens.send(queue, number)
    for number, queue in enumerate(TOKEN_QUEUES, start=1):
        assert tokens.count(queue) == number
        assert [body for _, body in queue_messages(amqp_url, queue)] == [b""] * number


def test_full_queue_of_tokens_is_no_error(tokens: TokenQueues, broker: PrefectureBroker) -> None:
    tokens.send(QUEUE_LISTES, MOST_TOKENS)
    assert tokens.count(QUEUE_LISTES) == MOST_TOKENS
    connection = broker.connection
    tokens.send(QUEUE_LISTES, 3)
    assert tokens.count(QUEUE_LISTES) == MOST_TOKENS
    assert broker.connection is connection, "a refusal needs no new connection"


def test_full_queue_of_events_refuses_until_there_is_room(
    broker: PrefectureBroker, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    """A policy lowers the bound of the queue, which is 100,000 events."""
    policy = {"pattern": f"^{QUEUE_PROGRAMS}$", "definition": {"max-length": 2}}
    path = f"/policies/{quote(_vhost(amqp_url), safe='')}/short"
    rabbit_node.management.request("PUT", path, policy | {"apply-to": "queues"})
    with Publisher(amqp_url) as publisher:
        publisher.publish(EVENT)
        publisher.publish(EVENT)
        with pytest.raises(QueueFullError, match="la file des demandes est pleine"):
            publisher.publish(EVENT)
        assert broker.channel.basic_get(QUEUE_PROGRAMS, auto_ack=True)[2] == EVENT.to_bytes()
        publisher.publish(EVENT)


def test_token_finds_its_queue_again_after_it_was_deleted(
    tokens: TokenQueues, broker: PrefectureBroker
) -> None:
    tokens.send(QUEUE_LISTES)
    broker.channel.queue_delete(QUEUE_LISTES)
    tokens.send(QUEUE_LISTES, 2)
    assert tokens.count(QUEUE_LISTES) == 2
    tokens.send(QUEUE_LISTES, MOST_TOKENS)
    assert tokens.count(QUEUE_LISTES) == MOST_TOKENS, "it is bounded as before"


def test_a_deleted_queue_of_tokens_is_declared_again_by_the_sweep(
    tokens: TokenQueues, broker: PrefectureBroker
) -> None:
    assert tokens.count(QUEUE_TABLEAUX) == 0
    broker.channel.queue_delete(QUEUE_TABLEAUX)
    assert tokens.count(QUEUE_TABLEAUX) == 0


@pytest.mark.slow
def test_worker_declares_and_binds_a_deleted_queue_of_events(
    broker: PrefectureBroker, amqp_url: str
) -> None:
    received: list[str] = []
    _declare_actor(broker, QUEUE_PROGRAMS, lambda incoming: received.append(incoming.event.id))

    def is_published() -> bool:
        try:
            producer.publish(EVENT)
        except PublishError:
            return False
        return True

    with _working(broker, QUEUE_PROGRAMS), Publisher(amqp_url) as producer:
        producer.publish(EVENT)
        wait_until(lambda: received, message="the first event")
        broker.channel.queue_delete(QUEUE_PROGRAMS)
        wait_until(is_published, message="a queue for the second event")
        wait_until(lambda: len(received) == 2, message="the second event")


def test_queues_are_measured_without_being_declared(amqp_url: str) -> None:
    assert read_queues(amqp_url) == [QueueState(name, 0, 0, 0) for name in sorted(ACTORS)]

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


def test_broker_that_is_away_is_named() -> None:
    with pytest.raises(TransientError, match="injoignable"):
        read_queues("amqp://guest:guest@127.0.0.1:1/%2F")


def test_alarm_of_the_broker_is_named(amqp_url: str, rabbit_node: RabbitNode) -> None:
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


FORGED = "prefecture"


def _publish(
    broker: PrefectureBroker,
    body: bytes,
    exchange: str = EXCHANGE,
    key: str = request_key(RabbitNode.user, REQUEST_LISTE_EXPORT),
    **properties: Any,  # noqa: ANN401 — of AMQP
) -> None:
    broker.channel.basic_publish(
        exchange, key, body, pika.BasicProperties(**properties), mandatory=True
    )


def _take(broker: PrefectureBroker) -> IncomingEvent:
    with closing(broker.consume(QUEUE_PROGRAMS, timeout=200)) as consumer:
        incoming: IncomingEvent = _next(consumer).args[0]
        return incoming


def test_event_without_user_id_is_of_the_account_in_its_key(broker: PrefectureBroker) -> None:
    _publish(broker, EVENT.to_bytes())
    incoming = _take(broker)
    assert (incoming.sender, incoming.faults) == (RabbitNode.user, ())


def test_body_and_headers_do_not_choose_the_sender(broker: PrefectureBroker) -> None:
    body = json.dumps(json.loads(EVENT.to_bytes()) | {"sender": FORGED, "userid": FORGED}).encode()
    headers = {"sender": FORGED, "x-sender": FORGED, "user_id": FORGED}
    _publish(broker, body, headers=headers, app_id=FORGED)
    assert _take(broker).sender == RabbitNode.user


def test_event_under_the_key_of_another_account_is_refused_to_its_sender(
    broker: PrefectureBroker,
) -> None:
    """Where a topic permission is missing; the broker has checked `user_id`."""
    key = request_key("mairie", REQUEST_LISTE_EXPORT)
    _publish(broker, EVENT.to_bytes(), key=key, user_id=RabbitNode.user)
    incoming = _take(broker)
    assert (incoming.sender, incoming.event.id) == (RabbitNode.user, EVENT.id)
    assert [fault.code for fault in incoming.faults] == ["cle_de_routage"]


def test_event_under_the_key_of_another_type_is_refused(broker: PrefectureBroker) -> None:
    body = EVENT.model_copy(update={"type": "fr.openelec.prefecture.request.cancel.v1"}).to_bytes()
    _publish(broker, body)
    assert [(it.field, it.code) for it in _take(broker).faults] == [("type", "cle_de_routage")]


_CALL = {
    "queue_name": QUEUE_PROGRAMS,
    "actor_name": ACTORS[QUEUE_PROGRAMS],
    "args": [json.loads(EVENT.to_bytes())],
    "kwargs": {},
    "options": {"sender": FORGED},
    "message_id": "1",
    "message_timestamp": 1,
}
_FORGED: dict[str, tuple[str, bytes]] = {
    "an event straight to the queue of events": ("", EVENT.to_bytes()),
    "nothing straight to the queue of events": ("", b""),
    "a call of the intake, straight": ("", json.dumps(_CALL).encode()),
}


@pytest.mark.parametrize(("exchange", "body"), _FORGED.values(), ids=_FORGED)
def test_forged_message_becomes_a_dead_letter(
    broker: PrefectureBroker, exchange: str, body: bytes
) -> None:
    """The accounts `requests` and `notifier` may publish straight to a queue."""
    queue = QUEUE_PROGRAMS
    _publish(broker, body, exchange, queue, user_id=RabbitNode.user)
    dead = f"{queue}.XQ"
    with closing(broker.consume(queue, timeout=100)) as consumer:

        def is_dead() -> bool:
            assert next(consumer) is None, "it is delivered to no actor"
            return broker.count(queue) == 0 and bool(
                broker.channel.queue_declare(dead, passive=True).method.message_count
            )

        wait_until(is_dead, message="a dead letter")
    assert broker.channel.basic_get(dead, auto_ack=True)[2] == body


def test_call_of_the_intake_by_the_exchange_is_refused_to_its_sender(
    broker: PrefectureBroker,
) -> None:
    _publish(broker, json.dumps(_CALL).encode(), user_id=RabbitNode.user)
    incoming = _take(broker)
    assert (incoming.sender, bool(incoming.faults)) == (RabbitNode.user, True)


@pytest.mark.parametrize("body", [b"", b"\xff", EVENT.to_bytes(), json.dumps(_CALL).encode()])
def test_any_message_in_a_queue_of_tokens_is_a_token(broker: PrefectureBroker, body: bytes) -> None:
    """It names no row and calls no other actor: its contents are not read."""
    _publish(broker, body, "", QUEUE_LISTES, headers={"sender": FORGED})
    with closing(broker.consume(QUEUE_LISTES, timeout=1000)) as consumer:
        token = _next(consumer)
    assert (token.queue_name, token.actor_name) == (QUEUE_LISTES, ACTORS[QUEUE_LISTES])
    assert (token.args, token.kwargs, token.options) == ((), {}, {})


EVENTS: dict[str, Data] = {
    "a commune": RequestStatus(
        request=AnsweredRequest(source="/test", id="1", uuid=""),
        status=RequestStage.SETTLED,
        request_id=1,
        commune="13900",
        ready=1,
    ),
    "no commune": RequestStatus(
        request=AnsweredRequest(source="/test", id="1", uuid=""),
        status=RequestStage.REFUSED,
        reason="essai",
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


def test_event_is_published_before_any_worker_has_run(
    amqp_url: str, publisher: EventPublisher
) -> None:
    publisher.publish(_event(), "")
    _bind(amqp_url)
    publisher.publish(_event(), "")
    assert [
        CloudEvent.from_bytes(body).type for _, body in queue_messages(amqp_url, "listener")
    ] == [_event().type]


@pytest.mark.slow
def test_connection_that_died_while_idle_is_opened_again(
    amqp_url: str, rabbit_node: RabbitNode, publisher: EventPublisher, tokens: TokenQueues
) -> None:
    publisher.publish(_event(), "")
    tokens.send(QUEUE_LISTES)
    _bind(amqp_url)
    rabbit_node.restart()
    publisher.publish(_event(), "")
    tokens.send(QUEUE_LISTES)
    assert len(queue_messages(amqp_url, "listener")) == 1
    assert tokens.count(QUEUE_LISTES) == 1, "a token does not outlive the broker"


@pytest.mark.slow
def test_publishing_without_a_broker_can_be_tried_again(
    rabbit_node: RabbitNode, publisher: EventPublisher
) -> None:
    rabbit_node.stop()
    with pytest.raises(TransientError, match="Courtier RabbitMQ injoignable"):
        publisher.publish(_event(), "")
    rabbit_node.start()
    publisher.publish(_event(), "")


def test_full_queue_of_a_listener_neither_repeats_nor_delays_events_of_others(
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
    ],
)
def test_event_reaches_the_listeners_of_its_commune_and_account(
    amqp_url: str, publisher: EventPublisher, event_of: str, heard_by: set[str]
) -> None:
    """An event about a commune that its account may not request goes to this account only: it may name the account."""
    publisher.publish(_event(), "")
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        for name, key in KEYS.items():
            channel.queue_declare(name, durable=True)
            channel.queue_bind(name, EXCHANGE, key)
        # bound both ways, it receives an event once
        channel.queue_bind("its account", EXCHANGE, KEYS["its commune"])
    publisher.publish(_event(event_of), "mairie.13900")
    heard = {name: queue_messages(amqp_url, name) for name in KEYS}
    assert {name for name, messages in heard.items() if messages} == heard_by
    assert {len(messages) for messages in heard.values()} == {0, 1}
    assert all(not headers for messages in heard.values() for headers, _ in messages), "hidden"


def test_event_of_the_screen_and_of_a_program_wait_in_different_queues(
    broker: PrefectureBroker,
) -> None:
    """A batch of the screen waits with the programs."""
    for account, is_bulk in ((SCREEN_ACCOUNT, False), (SCREEN_ACCOUNT, True), ("mairie", False)):
        key = request_key(account, REQUEST_LISTE_EXPORT, is_bulk=is_bulk)
        _publish(broker, EVENT.to_bytes(), key=key)
    assert (broker.count(QUEUE_REQUESTS), broker.count(QUEUE_PROGRAMS)) == (1, 2)
