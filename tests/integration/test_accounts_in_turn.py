"""Each account has a bounded queue of its own: no account waits behind the messages of another."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pika
import pytest
from pika.exceptions import NackError
from sqlalchemy import delete, insert, select

from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import (
    EXCHANGE,
    QUEUE_REQUESTS,
    QUEUE_REQUESTS_BULK,
    REQUEST_LISTE_EXPORT,
    REQUEST_TYPES,
    SCREEN_ACCOUNT,
    account_bindings,
    account_queue,
    request_key,
)
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from worker.access.models import Sender
from worker.exports.models import Request
from worker.messaging.broker import PrefectureBroker, build_broker
from worker.messaging.consumer import MOST_BYTES, MOST_MESSAGES
from worker.messaging.queues import add_account_queues, connect, remove_account_queues

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.slow]

HOG, CLERK = "hog", "clerk"
MANY = 300
REQUESTS_ONLY = ("-Q", QUEUE_REQUESTS, QUEUE_REQUESTS_BULK)
_EVENT = CloudEvent.wrap(
    ListeExportRequested(commune="13900", requested_by="mairie"), source="/test"
)


class Accounts:
    """Accounts of the broker on one virtual host, with queues of their own."""

    def __init__(self, amqp_url: str, node: RabbitNode) -> None:
        self.amqp_url, self._node = amqp_url, node
        self._vhost = unquote(urlsplit(amqp_url).path[1:])

    def add(self, *accounts: str) -> None:
        rights = {"configure": "", "write": f"^{EXCHANGE}$", "read": ""}
        for account in accounts:
            self._node.management.request(
                "PUT", f"/users/{account}", {"password": account, "tags": ""}
            )
            self._node.management.request(
                "PUT", f"/permissions/{quote(self._vhost, safe='')}/{account}", rights
            )
            add_account_queues(self.amqp_url, account)

    def send(self, account: str, *bodies: bytes, times: int = 1, key: str = "") -> None:
        """Publish as the account, by default with its routing key for lists."""
        properties = pika.BasicProperties(delivery_mode=2, user_id=account)
        key = key or request_key(account, REQUEST_LISTE_EXPORT)
        with closing(build_broker(self._node.url(self._vhost, account, account))) as broker:
            for body in (bodies or (b"junk",)) * times:
                broker.channel.basic_publish(EXCHANGE, key, body, properties, mandatory=True)


@pytest.fixture
def accounts(amqp_url: str, rabbit_node: RabbitNode) -> Accounts:
    accounts = Accounts(amqp_url, rabbit_node)
    accounts.add(HOG, CLERK, SCREEN_ACCOUNT)
    return accounts


@pytest.fixture
def broker(accounts: Accounts) -> Iterator[PrefectureBroker]:
    with closing(build_broker(accounts.amqp_url)) as broker:
        broker.list_accounts = lambda: (HOG, CLERK, SCREEN_ACCOUNT)
        yield broker


@pytest.fixture
def town(postgres_url: str, accounts: Accounts, tmp_path: Path) -> Iterator[Town]:
    town = Town(postgres_url, accounts.amqp_url, tmp_path)
    _list(town, HOG, CLERK)
    yield town
    town.close()


def _list(town: Town, *accounts: str) -> None:
    with town.engine.begin() as connection:
        connection.execute(
            insert(Sender), [{"name": it, "code_commune": "13900"} for it in accounts]
        )


def _events(account: str, number: int) -> list[bytes]:
    return [_EVENT.model_copy(update={"id": f"{account} {n}"}).to_bytes() for n in range(number)]


def _senders(town: Town) -> Sequence[str]:
    """The account of each request, in the order of recording."""
    with town.engine.connect() as connection:
        return connection.scalars(select(Request.sender).order_by(Request.id)).all()


def _consume(broker: PrefectureBroker) -> Any:  # noqa: ANN401 — upstream's
    return closing(broker.consume(QUEUE_REQUESTS, prefetch=1, timeout=100))


def _take(reader: Any, number: int) -> list[str]:  # noqa: ANN401
    """The accounts of the next messages; each is acknowledged before the next is taken."""
    taken: list[str] = []

    def is_enough() -> bool:
        if (message := next(reader)) is not None:
            taken.append(message.args[0].sender)
            reader.ack(message)
        return len(taken) == number

    wait_until(is_enough, message=f"{number} messages")
    return taken


@pytest.mark.parametrize(("account", "least"), [(CLERK, 12), (SCREEN_ACCOUNT, 24)])
def test_accounts_are_read_in_turn(
    broker: PrefectureBroker, accounts: Accounts, account: str, least: int
) -> None:
    accounts.send(HOG, times=MANY)
    accounts.send(account, times=40)
    with _consume(broker) as reader:
        _take(reader, 10)  # the broker has already sent the first messages of each
        assert _take(reader, 30).count(account) >= least


@pytest.mark.parametrize(
    ("size", "times"), [(1, MOST_MESSAGES + 100), (250_000, MOST_BYTES // 250_000 + 10)]
)
def test_a_full_queue_refuses_its_owner_alone(accounts: Accounts, size: int, times: int) -> None:
    with pytest.raises(NackError):
        accounts.send(HOG, b"x" * size, times=times)
    accounts.send(CLERK)


def test_a_queue_that_cannot_be_declared_stops_no_other_account(
    broker: PrefectureBroker, accounts: Accounts
) -> None:
    with connect(accounts.amqp_url) as connection:
        channel = connection.channel()
        remove_account_queues(channel, HOG)
        channel.queue_declare(account_queue(HOG))  # with other arguments
        for key in account_bindings(HOG):
            channel.queue_bind(account_queue(HOG), EXCHANGE, key)
    for account in (CLERK, HOG):
        accounts.send(account)
    with _consume(broker) as reader:
        assert sorted(_take(reader, 2)) == [CLERK, HOG], "it is read as it is"


def test_an_account_is_served_and_removed_without_a_restart(town: Town, accounts: Accounts) -> None:
    town.start_worker(*REQUESTS_ONLY)
    accounts.add("new")
    accounts.send("new", *_events("new", 1))
    _list(town, "new")
    wait_until(lambda: list(_senders(town)) == ["new"], message="the request of the new account")
    with town.engine.begin() as connection:
        connection.execute(delete(Sender).where(Sender.name == "new"))
    with connect(town.amqp_url) as broker:
        remove_account_queues(broker.channel(), "new")
    accounts.send(CLERK, *_events(CLERK, 1))
    wait_until(
        lambda: list(_senders(town)) == ["new", CLERK], message="a request after the removal"
    )
    assert not _waits_for(town, "new", seconds=12), "the queue is declared again"


def _waits_for(town: Town, account: str, *, seconds: float) -> bool:
    """Whether the account gets a queue within this time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
            try:
                connection.channel().queue_declare(account_queue(account), passive=True)
            except pika.exceptions.ChannelClosedByBroker:
                time.sleep(0.5)
            else:
                return True
    return False


@pytest.mark.parametrize(
    ("key", "field", "words"),
    [
        (request_key(CLERK, REQUEST_LISTE_EXPORT), "", "sous la clé d'un autre compte"),
        (
            request_key(HOG, REQUEST_TYPES[-1]),
            "type",
            "le type n'est pas celui de la clé de routage",
        ),
    ],
)
def test_a_message_under_another_key_is_refused(
    town: Town, accounts: Accounts, key: str, field: str, words: str
) -> None:
    accounts.send(HOG, _EVENT.to_bytes(), key=key)
    town.start_worker(*REQUESTS_ONLY)
    (row,) = wait_until(lambda: town.rows("SELECT * FROM request"), message="the refusal") or ()
    assert (row["sender"], row["outcome"], row["code"]) == (HOG, "refused", "evenement_illisible")
    assert words in row["reason"]
    with town.engine.connect() as connection:
        faults = connection.scalars(select(Request.faults)).one() or []
    (fault,) = faults
    assert (fault["field"], fault["code"]) == (field, "cle_de_routage")


def test_a_clerks_request_is_on_record_before_the_junk_of_another(
    town: Town, accounts: Accounts
) -> None:
    accounts.send(HOG, times=MANY)
    accounts.send(HOG, _EVENT.model_copy(update={"type": "fr.x"}).to_bytes(), times=MANY)
    accounts.send(CLERK, _EVENT.to_bytes())
    town.start_worker(*REQUESTS_ONLY)
    town.wait_for(_EVENT, status="queued")
    assert list(_senders(town)).index(CLERK) <= 3
    wait_until(lambda: HOG in _senders(town), message="a refused request")
    with town.engine.connect() as connection:
        is_late = connection.scalars(select(Request.is_bulk).where(Request.sender == HOG)).all()
    assert all(is_late), "who is refused for the form of an event is answered after others"
