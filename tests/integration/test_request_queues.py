"""The two queues of events: people do not wait behind programs, and the events of a queue keep their order."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pika
import pytest
from sqlalchemy import insert

from schemas.envelope import CloudEvent, Data
from schemas.requests import CancelRequested, ListeExportRequested
from schemas.topology import (
    EXCHANGE,
    QUEUE_PROGRAMS,
    QUEUE_REQUESTS,
    REQUEST_LISTE_EXPORT,
    SCREEN_ACCOUNT,
    request_key,
)
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from worker.access.models import Sender
from worker.messaging.broker import build_broker

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.slow]

HOG = "hog"
BOTH = ("-Q", QUEUE_REQUESTS, QUEUE_PROGRAMS)
MANY = 300
_ASKED = ListeExportRequested(commune="13900", requested_by="mairie")


class Accounts:
    """Accounts of the broker on one virtual host."""

    def __init__(self, amqp_url: str, node: RabbitNode) -> None:
        self._vhost, self._node = unquote(urlsplit(amqp_url).path[1:]), node

    def add(self, *accounts: str) -> None:
        rights = {"configure": "", "write": f"^{EXCHANGE}$", "read": ""}
        for account in accounts:
            self._node.management.request(
                "PUT", f"/users/{account}", {"password": account, "tags": ""}
            )
            self._node.management.request(
                "PUT", f"/permissions/{quote(self._vhost, safe='')}/{account}", rights
            )

    def send(self, account: str, *events: tuple[str, bytes]) -> None:
        """Publish bodies as the account, each under its routing key."""
        properties = pika.BasicProperties(delivery_mode=2, user_id=account)
        with closing(build_broker(self._node.url(self._vhost, account, account))) as broker:
            for key, body in events:
                broker.channel.basic_publish(EXCHANGE, key, body, properties, mandatory=True)


@pytest.fixture
def accounts(amqp_url: str, rabbit_node: RabbitNode) -> Accounts:
    accounts = Accounts(amqp_url, rabbit_node)
    accounts.add(HOG, SCREEN_ACCOUNT)
    return accounts


@pytest.fixture
def town(postgres_url: str, amqp_url: str, accounts: Accounts, tmp_path: Path) -> Iterator[Town]:
    town = Town(postgres_url, amqp_url, tmp_path)
    rows = [{"name": it, "code_commune": "13900"} for it in (HOG, SCREEN_ACCOUNT)]
    with town.engine.begin() as connection:
        connection.execute(insert(Sender), rows)
    yield town
    town.close()


def _wrap(data: Data) -> CloudEvent:
    return CloudEvent.wrap(data, source="/test")


def _cancel(event: CloudEvent) -> CloudEvent:
    named = {"request": {"source": event.source, "id": event.id}, "requested_by": "mairie"}
    return _wrap(CancelRequested.model_validate(named))


def _of(account: str, event: CloudEvent) -> tuple[str, bytes]:
    is_bulk = bool(event.data.get("bulk"))
    return request_key(account, event.type, is_bulk=is_bulk), event.to_bytes()


def _recorded(town: Town) -> Sequence[str]:
    """The ids of the events, in the order of recording."""
    return [row["event_id"] for row in town.rows("SELECT event_id FROM request ORDER BY id")]


def test_a_request_of_the_screen_is_recorded_before_the_junk_of_a_program(
    town: Town, accounts: Accounts
) -> None:
    key = request_key(HOG, REQUEST_LISTE_EXPORT)
    unknown = _wrap(_ASKED).model_copy(update={"type": "fr.x"})
    accounts.send(HOG, *[(key, b"junk")] * MANY, *[(key, unknown.to_bytes())] * MANY)
    asked = _wrap(_ASKED)
    accounts.send(SCREEN_ACCOUNT, _of(SCREEN_ACCOUNT, asked))
    town.start_worker(*BOTH)
    town.wait_for(asked, status="queued")
    assert _recorded(town).index(asked.id) <= 3


def test_the_events_of_an_account_are_recorded_in_their_order_by_two_workers(
    town: Town, accounts: Accounts
) -> None:
    """Each cancel follows its request: none of the files is made, and no cancel is early."""
    town.start_worker(*BOTH)
    town.start_worker(*BOTH)
    asked = [_wrap(_ASKED) for _ in range(40)]
    events = [event for one in asked for event in (one, _cancel(one))]
    accounts.send(HOG, *(_of(HOG, event) for event in events))
    wait_until(lambda: len(_recorded(town)) == len(events), message="all events")
    assert _recorded(town) == [event.id for event in events]
    assert {row["status"] for row in town.rows("SELECT status FROM export")} == {"cancelled"}


@pytest.mark.parametrize("is_cancel_first", [True, False])
def test_a_cancel_by_another_queue_than_its_request_stops_the_files(
    town: Town, accounts: Accounts, *, is_cancel_first: bool
) -> None:
    """The screen sends a batch, and an agent cancels it: the batch may wait behind those of programs."""
    batch = _wrap(_ASKED.model_copy(update={"bulk": True}))
    cancel = _cancel(batch)
    accounts.send(SCREEN_ACCOUNT, _of(SCREEN_ACCOUNT, batch), _of(SCREEN_ACCOUNT, cancel))
    ways = [(QUEUE_PROGRAMS, batch), (QUEUE_REQUESTS, cancel)]
    for queue, event in reversed(ways) if is_cancel_first else ways:
        town.start_worker("-Q", queue)
        wait_until(lambda it=event: it.id in _recorded(town), message=f"the event of {queue}")  # type: ignore[misc]
    town.wait_for(batch, status="cancelled")
    outcomes = town.rows("SELECT outcome FROM demandes")
    assert [row["outcome"] for row in outcomes] == ["accepted"] * 2
