"""`python -m tests.faults.neighbours_play`: thousands of batch and junk messages, while a clerk sends requests.

Exit code 0 when, for 99 requests of the clerk out of 100, few of the thousands of waiting messages were handled first,
and the broker's disk grew by 50 MB at most: both hold on any machine. The clerk's waiting time is printed: the aim is a
second on an idle machine. The processes are those of docker-compose.yml, the broker has its policies.
"""

import json
import math
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import click
import pika
from sqlalchemy import insert

from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import (
    EXCHANGE,
    QUEUE_REQUESTS,
    QUEUE_REQUESTS_BULK,
    REQUEST_LISTE_EXPORT,
    request_key,
)
from schemas.vocabulary import Liste
from tests.parts.deployment import DEPLOY
from tests.parts.notes import note_file
from tests.parts.packages import POSTGRESQL, RABBITMQ, provide_for_command
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from tests.web.neighbours import copy_libreville
from worker.access.models import Agent, Sender
from worker.messaging.broker import Outgoing, build_broker
from worker.messaging.queues import add_account_queues

WITHIN_MS, WITHIN_MB = 1000, 50
BEFORE_HERS = 500
"""Limit of other messages read, or other requests notified, before the clerk's: work already in progress counts."""
BATCH, JUNK, CLERK = "lots", "bruit", "mairie"
VILLAGES = [f"139{number:02}" for number in range(2, 62)]
"""The communes of the batch."""
CLERKS_COMMUNE = "13901"

_SOURCE = "/test/neighbours"
_MS, _MB = 1000, 1e6
_AT_ONCE = 500
_PAUSE_SECONDS = 0.25
_CREW = (  # processes, queues
    ("1", QUEUE_REQUESTS, QUEUE_REQUESTS_BULK),
    ("2", "listes"),
    ("2", "tableaux"),
    ("1", "listes-bulk", "tableaux-bulk"),
)


class Waited(NamedTuple):
    """The delays of one request of the clerk."""

    ms: float
    """From before the publication until the notification."""
    read_before: int
    """Messages of the other accounts that were recorded in between."""
    told_before: int
    """Requests of the batch that were notified while the clerk's was ready."""


class Played(NamedTuple):
    """The measurements."""

    waited: Sequence[Waited]
    grown_mb: float
    """The largest growth of the broker's disk."""
    left: int
    """Messages of the other accounts that were still unread when the clerk's last request was notified."""

    @property
    def p99(self) -> Waited:
        """The 99th percentile of each delay."""
        ms, read, told = (sorted(it)[math.ceil(len(self.waited) * 0.99) - 1] for it in zip(*self.waited, strict=True))
        return Waited(ms, int(read), int(told))

    @property
    def trouble(self) -> list[str]:
        """The failed conditions."""
        return [
            *(["too many of the others' were read before hers"] if self.p99.read_before > BEFORE_HERS else []),
            *(["too many of the batch were told before hers"] if self.p99.told_before > BEFORE_HERS else []),
            *(["the broker's disk has grown too much"] if self.grown_mb > WITHIN_MB else []),
            *([] if self.left else ["nothing waited any more: the clerk was alone"]),
        ]


def play(broker: RabbitNode, database: PostgresServer, folder: Path, *, bulk: int, junk: int, clerk: int) -> Played:
    """Publish the given number of messages for each account."""
    vhost = _open_vhost(broker)
    town = Town(database.create_database(LIBREVILLE_TEMPLATE), broker.url(vhost), folder)
    _settle(town)
    try:
        for processes, *queues in _CREW:
            arguments = ("-p", processes, "-Q", *queues)
            town.start_worker(*arguments, ANY_ACCOUNT="", PREFECTURE_HOME=str(folder / queues[0]))
        town.start_notifier()
        _warm(town, broker.url(vhost, CLERK, broker.password))
        before, most = broker.disk_bytes, 0

        def look() -> None:
            nonlocal most
            most = max(most, broker.disk_bytes)

        with ThreadPoolExecutor() as others:
            floods = [
                others.submit(_flood, broker.url(vhost, account, broker.password), account, messages)
                for account, messages in ((BATCH, list(_batch(bulk))), (JUNK, list(_junk(junk))))
            ]
            waited = _ask(town, broker.url(vhost, CLERK, broker.password), clerk, look)
            for flood in floods:
                flood.result()
        look()
        return Played(waited, (most - before) / _MB, bulk + junk - _read(town))
    finally:
        town.close()


def _open_vhost(broker: RabbitNode) -> str:
    """A virtual host with the policies of `deploy/` and the three accounts, which may publish requests only."""
    vhost = broker.create_vhost()
    path = quote(vhost, safe="")
    for policy in json.loads((DEPLOY / "broker" / "definitions.json").read_text("utf-8"))["policies"]:
        said = {name: value for name, value in policy.items() if name not in {"vhost", "name"}}
        broker.management.request("PUT", f"/policies/{path}/{policy['name']}", said)
    for account in (BATCH, JUNK, CLERK):
        broker.management.request("PUT", f"/users/{account}", {"password": broker.password, "tags": ""})
        rights = {"configure": "", "write": f"^{EXCHANGE}$", "read": ""}
        broker.management.request("PUT", f"/permissions/{path}/{account}", rights)
        add_account_queues(broker.url(vhost), account)
    return vhost


def _settle(town: Town) -> None:
    """Create sixty villages for the batch, the clerk's commune, and the permissions of the accounts."""
    owners = {**dict.fromkeys(VILLAGES, BATCH), CLERKS_COMMUNE: CLERK}
    with town.engine.begin() as connection:
        for commune, account in owners.items():
            copy_libreville(connection, commune, f"COMMUNE {commune}")
            connection.execute(insert(Sender).values(name=account, code_commune=commune))
            agent = {"name": f"agent-{commune}", "code_commune": commune, "email": f"{commune}@neighbours.example"}
            connection.execute(insert(Agent), [agent])


def _warm(town: Town, url: str) -> None:
    """Let every process make some files."""
    with Publisher(url) as publisher:
        events = [_request(CLERKS_COMMUNE) for _ in range(8)]
        for event in events:
            publisher.publish(event)
        wait_until(lambda: len(_notified(town)) == len(events), message="the first requests told")


def _ask(town: Town, url: str, number: int, look: Callable[[], None]) -> list[Waited]:
    """Send the clerk's requests and measure them; the database's clock is the clock of this machine."""
    sent: dict[str, tuple[float, int]] = {}
    with Publisher(url) as publisher:
        for _ in range(number):
            event = _request(CLERKS_COMMUNE)
            sent[event.id] = time.time(), _newest(town)
            publisher.publish(event)
            look()
            time.sleep(_PAUSE_SECONDS)
    wait_until(lambda: sent.keys() <= _notified(town).keys(), timeout=600, message="every request of the clerk told")
    rows = {row["event_id"]: row for row in town.rows(_FARED, clerk=CLERK, batch=BATCH)}
    return [
        Waited((row["notified_at"].timestamp() - moment) * _MS, row["id"] - newest - 1, row["told_before"])
        for event_id, (moment, newest) in sent.items()
        for row in [rows[event_id]]
    ]


_FARED = """
SELECT id, event_id, notified_at, (
  SELECT count(*) FROM request AS other
  WHERE other.sender = :batch AND other.notified_at > mine.completed_at AND other.notified_at < mine.notified_at
) AS told_before
FROM request AS mine WHERE sender = :clerk
"""


def _newest(town: Town) -> int:
    """The id of the last recorded request; refused ones are deleted, but their ids are not reused."""
    return int(town.rows("SELECT max(id) AS newest FROM request")[0]["newest"])


def _notified(town: Town) -> dict[str, float]:
    rows = town.rows(
        "SELECT event_id, notified_at FROM request WHERE sender = :it AND notified_at IS NOT NULL", it=CLERK
    )
    return {row["event_id"]: row["notified_at"].timestamp() for row in rows}


def _read(town: Town) -> int:
    return _newest(town) - len(_notified(town))


def _request(commune: str, *, bulk: bool = False) -> CloudEvent:
    asked = ListeExportRequested(commune=commune, listes=[Liste.PRINCIPALE], bulk=bulk, requested_by="agent")
    return CloudEvent.wrap(asked, source=_SOURCE)


def _batch(number: int) -> Iterator[tuple[str, bytes]]:
    for commune in islice(cycle(VILLAGES), number):
        event = _request(commune, bulk=True)
        yield request_key("", event.type, is_bulk=True), event.to_bytes()


_KEY = request_key("", REQUEST_LISTE_EXPORT)
"""The routing key after the name of the account."""


def _junk(number: int) -> Iterator[tuple[str, bytes]]:
    """Invalid JSON, invalid events, requests for another commune, and declarations about a file that does not exist."""
    kinds: Iterable[Callable[[int], tuple[str, bytes]]] = (
        lambda n: (_KEY, f"junk {n}".encode()),
        lambda n: (_KEY, json.dumps({"specversion": "1.0", "id": f"junk-{n}", "data": 1}).encode()),
        lambda _: (_KEY, _request(CLERKS_COMMUNE).to_bytes()),
        _declaration,
    )
    for n, kind in enumerate(islice(cycle(kinds), number)):
        yield kind(n)


def _declaration(number: int) -> tuple[str, bytes]:
    noted = note_file("downloaded", 1 << 40 | number, commune=CLERKS_COMMUNE, requested_by="agent")
    event = CloudEvent.wrap(noted, source=_SOURCE)
    return request_key("", event.type), event.to_bytes()


def _flood(url: str, account: str, messages: Sequence[tuple[str, bytes]]) -> None:
    broker = build_broker(url)
    properties = pika.BasicProperties(delivery_mode=2, user_id=account)
    for start in range(0, len(messages), _AT_ONCE):
        lot = messages[start : start + _AT_ONCE]
        broker.publish_all(
            [Outgoing(EXCHANGE, account + key, body, properties, is_mandatory=True) for key, body in lot]
        )
    broker.close()


@click.command()
@click.option("--bulk", default=35_000, show_default=True, help="Requests of the batch.")
@click.option("--junk", default=20_000, show_default=True, help="Messages that are refused.")
@click.option("--clerk", default=100, show_default=True, help="Requests of the clerk, four a second.")
def main(bulk: int, junk: int, clerk: int) -> None:
    """Print how long the clerk waited to be told."""
    provide_for_command(RABBITMQ, POSTGRESQL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with (
        tempfile.TemporaryDirectory(prefix="neighbours-") as folder,
        RabbitNode() as broker,
        PostgresServer() as database,
    ):
        played = play(broker, database, Path(folder), bulk=bulk, junk=junk, clerk=clerk)
    ms = [it.ms for it in played.waited]
    p99 = played.p99
    click.echo(
        f"Neighbours: {bulk} requests of a batch and {junk} pieces of junk, {clerk} requests of a clerk: told after "
        f"{statistics.median(ms):.0f} ms (p50), {p99.ms:.0f} ms (p99), {max(ms):.0f} ms at most; before hers were read "
        f"{p99.read_before} of theirs, told {p99.told_before} (p99, {BEFORE_HERS} at most); "
        f"broker's disk {played.grown_mb:+.0f} MB; {played.left} not read yet (load {os.getloadavg()[0]:.1f})"
    )
    if p99.ms > WITHIN_MS:
        click.echo("More than a second: so it may be where the machine does other things, and not where it does none.")
    for trouble in played.trouble:
        click.echo(f"NOT SO: {trouble}")
    sys.exit(1 if played.trouble else 0)


if __name__ == "__main__":
    main()
