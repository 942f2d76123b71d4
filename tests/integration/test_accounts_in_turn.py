"""Nobody waits behind what another account has sent: requests are taken in unread, and read account by account."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pika
import pytest
from sqlalchemy import select

from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import EXCHANGE, QUEUE_REQUESTS, QUEUE_REQUESTS_BULK, REQUEST_LISTE_EXPORT, REQUEST_TYPES
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from worker.exports.models import Request
from worker.messaging import consumer
from worker.messaging.broker import Outgoing, PrefectureBroker, build_broker
from worker.messaging.consumer import HELD, TOGETHER, Allowance
from worker.messaging.encoder import SENDER
from worker.messaging.queues import read_queues

pytestmark = [pytest.mark.integration, pytest.mark.database(LIBREVILLE_TEMPLATE)]

HOG, CLERK = "hog", "clerk"
MANY = 4 * TOGETHER
OF_ONE = consumer.OF_ONE[QUEUE_REQUESTS]
_EVENT = CloudEvent.wrap(ListeExportRequested(commune="13900", requested_by="mairie"), source="/test")

Send = Callable[..., None]


@pytest.fixture
def send(amqp_url: str, rabbit_node: RabbitNode) -> Send:
    """Publish as an account of the broker, on a virtual host with its queues."""
    vhost = quote(unquote(urlsplit(amqp_url).path[1:]), safe="")
    for account in (HOG, CLERK):
        rabbit_node.management.request("PUT", f"/users/{account}", {"password": account, "tags": ""})
        rights = {"configure": "", "write": f"^{EXCHANGE}$", "read": ""}
        rabbit_node.management.request("PUT", f"/permissions/{vhost}/{account}", rights)
    with closing(build_broker(amqp_url)) as broker:
        for queue in (QUEUE_REQUESTS, QUEUE_REQUESTS_BULK):
            broker.declare_queue(queue, ensure=True)

    def send_as(account: str, number: int = 1, *bodies: bytes, key: str = REQUEST_LISTE_EXPORT) -> None:
        properties = pika.BasicProperties(delivery_mode=2, user_id=account)
        said = [Outgoing(EXCHANGE, key, body, properties, is_mandatory=True) for body in bodies or (b"junk",)]
        with closing(build_broker(rabbit_node.url(unquote(vhost), account, account))) as broker:
            broker.publish_all(said * number)

    return send_as


def _consume(broker: PrefectureBroker) -> Any:  # noqa: ANN401 — upstream's
    return closing(broker.consume(QUEUE_REQUESTS, prefetch=max(HELD.values()), timeout=100))


def _take(reader: Any, number: int, *, answered: bool = False) -> list[str]:  # noqa: ANN401
    """The accounts of so many messages, as they are given to be served."""
    taken: list[str] = []

    def is_enough() -> bool:
        message = next(reader)
        if message is not None:
            taken.append(message.options[SENDER])
            if answered:
                reader.ack(message)
        return len(taken) == number

    wait_until(is_enough, message=f"{number} messages")
    return taken


@pytest.fixture
def broker(amqp_url: str, request: pytest.FixtureRequest) -> Iterator[PrefectureBroker]:
    with closing(build_broker(amqp_url, (), getattr(request, "param", Allowance(rate=1e9)))) as broker:
        yield broker


@pytest.mark.slow
def test_a_message_is_read_next_however_many_another_account_sent_before(broker: PrefectureBroker, send: Send) -> None:
    send(HOG, MANY)
    send(CLERK, 2)
    with _consume(broker) as reader:
        taken = _take(reader, OF_ONE + 2)
    assert taken.count(CLERK) == 2, "of one account only so many are in hand"


@pytest.mark.slow
def test_accounts_are_read_in_turn(broker: PrefectureBroker, send: Send) -> None:
    send(HOG, MANY)
    send(CLERK, OF_ONE)
    with _consume(broker) as reader:
        _take(reader, 1, answered=True)  # all has been taken in
        taken = _take(reader, 2 * (OF_ONE - 1), answered=True)
    assert taken.count(CLERK) >= OF_ONE - 2


@pytest.mark.parametrize("broker", [Allowance(rate=1e-6, burst=3)], indirect=True)
def test_an_account_beyond_its_allowance_waits_and_no_other(broker: PrefectureBroker, send: Send) -> None:
    send(HOG, MANY)
    with _consume(broker) as reader:
        assert _take(reader, 3, answered=True) == [HOG] * 3
        send(CLERK, 3)
        assert _take(reader, 3, answered=True) == [CLERK] * 3
        assert [next(reader) for _ in range(3)] == [None] * 3


@pytest.mark.slow
@pytest.mark.parametrize("broker", [Allowance(rate=50, burst=OF_ONE)], indirect=True)
def test_what_was_beyond_comes_with_time(broker: PrefectureBroker, send: Send) -> None:
    send(HOG, 2 * OF_ONE)
    with _consume(broker) as reader:
        assert _take(reader, 2 * OF_ONE, answered=True) == [HOG] * 2 * OF_ONE


@pytest.mark.slow
def test_no_more_bytes_are_held_than_are_meant_to_be(
    broker: PrefectureBroker, send: Send, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "HELD_BYTES", 20_000)
    send(HOG, TOGETHER, b"x" * 1000)
    with _consume(broker) as reader:
        _take(reader, 1)
        with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
            declared = connection.channel().queue_declare(QUEUE_REQUESTS, passive=True)
        assert declared.method.message_count > 0, "some are left at the broker"
        assert len(_take(reader, TOGETHER - 1, answered=True)) == TOGETHER - 1, "and come in their time"


@pytest.mark.slow
def test_a_clerks_request_is_on_record_before_the_junk_of_another(town: Town, send: Send) -> None:
    send(HOG, MANY)
    send(HOG, MANY, _EVENT.model_copy(update={"type": "fr.x"}).to_bytes(), key=REQUEST_TYPES[-1])
    send(CLERK, 1, _EVENT.to_bytes())
    town.start_worker("-Q", QUEUE_REQUESTS, QUEUE_REQUESTS_BULK, PREFECTURE_BURST=str(2 * MANY))
    town.wait_for(_EVENT, status="queued")
    with town.engine.connect() as connection:
        senders: Sequence[str] = connection.scalars(select(Request.sender).order_by(Request.id)).all()
        is_late = connection.scalars(select(Request.is_bulk).where(Request.sender == HOG)).all()
    assert senders.index(CLERK) <= 2 * OF_ONE
    assert all(is_late), "who is refused for his form is answered after others"


@pytest.mark.slow
def test_what_was_held_by_a_process_that_dies_or_by_a_broker_that_restarts_is_read_once(
    town: Town, send: Send, rabbit_node: RabbitNode
) -> None:
    events = [_EVENT.model_copy(update={"id": f"{account} {n}"}) for account in (HOG, CLERK) for n in range(MANY // 2)]
    for account in (HOG, CLERK):
        send(account, 1, *(event.to_bytes() for event in events if event.id.startswith(account)))

    def count() -> int:
        return int(town.rows("SELECT count(*) AS n FROM request")[0]["n"])

    def is_further(before: int) -> bool:
        return count() > before or before == len(events)

    for harm in ("worker", "worker", "broker", ""):
        before = count()
        worker = town.start_worker("-Q", QUEUE_REQUESTS, QUEUE_REQUESTS_BULK)
        wait_until(partial(is_further, before), message="some read")
        if harm == "broker":
            rabbit_node.restart()
        if harm:
            worker.kill()
    wait_until(lambda: count() == len(events), message="all read")
    left = {state.queue: state.messages + state.dead_letters for state in read_queues(town.amqp_url)}
    assert left[QUEUE_REQUESTS] == 0
    assert {row["event_id"] for row in town.rows("SELECT event_id FROM request")} == {event.id for event in events}


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Any) -> Iterator[Town]:  # noqa: ANN401 — a path
    town = Town(postgres_url, amqp_url, tmp_path)
    yield town
    town.close()
