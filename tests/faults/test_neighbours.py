"""A clerk asks for files beside thousands of batch and junk messages of other accounts."""

import json
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import pika
import pytest
from pika.exceptions import NackError
from sqlalchemy import insert

from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import EXCHANGE, QUEUE_REQUESTS, QUEUE_REQUESTS_BULK, REQUEST_LISTE_EXPORT, request_key
from schemas.vocabulary import Liste
from tests.parts.deployment import DEPLOY
from tests.parts.notes import note_file
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from tests.web.neighbours import copy_libreville
from worker.access.models import Agent, Sender
from worker.messaging.broker import build_broker
from worker.messaging.queues import add_account_queues

pytestmark = [pytest.mark.slow, pytest.mark.database(LIBREVILLE_TEMPLATE)]

BATCH, JUNK, CLERK = "lots", "bruit", "mairie"
OF_BATCH, OF_JUNK, OF_CLERK = 35_000, 20_000, 100
"""The queue of an account holds 50,000 messages of batches, and 10,000 others: the broker refuses more junk."""
MOST_BEFORE = 500
"""Limit of other messages recorded, or other requests notified, before the clerk's: work in progress counts."""
MOST_MB = 50
"""Growth of the broker's disk."""

_VILLAGES = [f"139{number:02}" for number in range(2, 62)]
_CLERKS_COMMUNE = "13901"
_CREW = (  # processes, queues
    ("1", QUEUE_REQUESTS, QUEUE_REQUESTS_BULK),
    ("2", "listes"),
    ("2", "tableaux"),
    ("1", "listes-bulk", "tableaux-bulk"),
)
_FARED = """
SELECT id, event_id, notified_at, (
  SELECT count(*) FROM request AS other
  WHERE other.sender = :batch AND other.notified_at > mine.completed_at AND other.notified_at < mine.notified_at
) AS told_before
FROM request AS mine WHERE sender = :clerk
"""


class Waited(NamedTuple):
    """The delays of one request of the clerk."""

    ms: float
    """From before the publication until the notification."""
    recorded_before: int
    """Messages of the other accounts that were recorded in between."""
    told_before: int
    """Requests of the batch that were notified while the clerk's was ready."""


@pytest.fixture
def urls(amqp_url: str, rabbit_node: RabbitNode) -> dict[str, str]:
    """Address by account on a virtual host with the policies of `deploy/`; accounts may publish requests only."""
    vhost = amqp_url.rpartition("/")[2]
    for policy in json.loads((DEPLOY / "broker" / "definitions.json").read_text("utf-8"))["policies"]:
        said = {name: value for name, value in policy.items() if name not in {"vhost", "name"}}
        rabbit_node.management.request("PUT", f"/policies/{vhost}/{policy['name']}", said)
    for account in (BATCH, JUNK, CLERK):
        rabbit_node.management.request("PUT", f"/users/{account}", {"password": rabbit_node.password, "tags": ""})
        rights = {"configure": "", "write": f"^{EXCHANGE}$", "read": ""}
        rabbit_node.management.request("PUT", f"/permissions/{vhost}/{account}", rights)
        add_account_queues(amqp_url, account)
    return {it: rabbit_node.url(vhost, it, rabbit_node.password) for it in (BATCH, JUNK, CLERK)}


@pytest.fixture
def town(postgres_url: str, amqp_url: str, urls: dict[str, str], tmp_path: Path) -> Iterator[Town]:
    """The processes of docker-compose.yml, for sixty villages of the batch and the clerk's commune."""
    town = Town(postgres_url, amqp_url, tmp_path)
    with town.engine.begin() as connection:
        for commune, account in {**dict.fromkeys(_VILLAGES, BATCH), _CLERKS_COMMUNE: CLERK}.items():
            copy_libreville(connection, commune, f"COMMUNE {commune}")
            connection.execute(insert(Sender).values(name=account, code_commune=commune))
            agent = {"name": f"agent-{commune}", "code_commune": commune, "email": f"{commune}@neighbours.example"}
            connection.execute(insert(Agent), [agent])
    for processes, *queues in _CREW:
        town.start_worker("-p", processes, "-Q", *queues, ANY_ACCOUNT="", PREFECTURE_HOME=str(tmp_path / queues[0]))
    town.start_notifier()
    yield town
    town.close()


def _request(commune: str, *, bulk: bool = False) -> CloudEvent:
    asked = ListeExportRequested(commune=commune, listes=[Liste.PRINCIPALE], bulk=bulk, requested_by="agent")
    return CloudEvent.wrap(asked, source="/test/neighbours")


def _batch() -> Iterator[tuple[str, bytes]]:
    for commune in islice(cycle(_VILLAGES), OF_BATCH):
        event = _request(commune, bulk=True)
        yield request_key(BATCH, event.type, is_bulk=True), event.to_bytes()


def _junk() -> Iterator[tuple[str, bytes]]:
    """Invalid JSON, invalid events, requests for another commune, and declarations about a file that does not exist."""
    key = request_key(JUNK, REQUEST_LISTE_EXPORT)
    for number in range(OF_JUNK // 4):
        yield key, f"junk {number}".encode()
        yield key, json.dumps({"specversion": "1.0", "id": f"junk-{number}", "data": 1}).encode()
        yield key, _request(_CLERKS_COMMUNE).to_bytes()
        noted = note_file("downloaded", 1 << 40 | number, commune=_CLERKS_COMMUNE, requested_by="agent")
        event = CloudEvent.wrap(noted, source="/test/neighbours")
        yield request_key(JUNK, event.type), event.to_bytes()


def _flood(url: str, account: str, messages: Sequence[tuple[str, bytes]]) -> int:
    """Publish messages, and return how many the queue of the account took."""
    properties, taken = pika.BasicProperties(delivery_mode=2, user_id=account), 0
    with closing(build_broker(url)) as broker:
        for key, body in messages:
            with suppress(NackError):
                broker.channel.basic_publish(EXCHANGE, key, body, properties, mandatory=True)
                taken += 1
    return taken


def _newest(town: Town) -> int:
    """The id of the last recorded request; refused ones are deleted, but their ids are not reused."""
    return int(town.rows("SELECT max(id) AS newest FROM request")[0]["newest"] or 0)


def _notified(town: Town) -> set[str]:
    query = "SELECT event_id FROM request WHERE sender = :it AND notified_at IS NOT NULL"
    return {row["event_id"] for row in town.rows(query, it=CLERK)}


def _ask(town: Town, url: str, number: int, pause: float) -> list[Waited]:
    """Send requests of the clerk and measure them; the database's clock is the clock of this machine."""
    sent: dict[str, tuple[float, int]] = {}
    with Publisher(url) as publisher:
        for _ in range(number):
            event = _request(_CLERKS_COMMUNE)
            sent[event.id] = time.time(), _newest(town)
            publisher.publish(event)
            time.sleep(pause)
    wait_until(lambda: sent.keys() <= _notified(town), timeout=600, message="every request of the clerk told")
    rows = {row["event_id"]: row for row in town.rows(_FARED, clerk=CLERK, batch=BATCH)}
    return [
        Waited((row["notified_at"].timestamp() - moment) * 1000, row["id"] - newest - 1, row["told_before"])
        for event_id, (moment, newest) in sent.items()
        for row in [rows[event_id]]
    ]


def test_a_clerk_waits_for_few_of_the_others(
    town: Town, urls: dict[str, str], rabbit_node: RabbitNode, capsys: pytest.CaptureFixture[str]
) -> None:
    """How long they wait is printed, not judged: it depends on the machine (docs/figures.md)."""
    _ask(town, urls[CLERK], 8, 0)  # every process makes some files first
    before = rabbit_node.disk_bytes
    with ThreadPoolExecutor() as others:
        floods = [
            others.submit(_flood, urls[account], account, messages)
            for account, messages in ((BATCH, list(_batch())), (JUNK, list(_junk())))
        ]
        waited = _ask(town, urls[CLERK], OF_CLERK, 0.25)
        taken = sum(flood.result() for flood in floods)
    grown_mb = (rabbit_node.disk_bytes - before) / 1e6
    left = taken - _newest(town)
    ms, recorded, told = (sorted(it)[math.ceil(OF_CLERK * 0.99) - 1] for it in zip(*waited, strict=True))
    median = statistics.median(it.ms for it in waited)
    with capsys.disabled():
        print(f"\ntold after {median:.0f} ms (p50), {ms:.0f} ms (p99); broker's disk {grown_mb:+.0f} MB")  # noqa: T201
    assert left > 0, "nothing waited any more: the clerk was alone"
    assert recorded <= MOST_BEFORE
    assert told <= MOST_BEFORE
    assert grown_mb <= MOST_MB
