"""Messages of a batch have queues of their own, and do not delay the requests of a single clerk."""

import pytest

from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from schemas.topology import (
    BULK_SUFFIX,
    QUEUE_LISTES,
    QUEUE_LISTES_BULK,
    QUEUE_REQUESTS,
    QUEUE_REQUESTS_BULK,
    REQUEST_LISTE_EXPORT,
)
from tests.parts.process import Process
from tests.parts.town import LIBREVILLE_TEMPLATE, Town
from tests.parts.wait import wait_until
from worker.messaging.queues import read_queues

pytestmark = [pytest.mark.database(LIBREVILLE_TEMPLATE), pytest.mark.slow]

BULK_KEY = REQUEST_LISTE_EXPORT + BULK_SUFFIX
READ = (QUEUE_REQUESTS, QUEUE_REQUESTS_BULK)


def ask(town: Town, routing_key: str, *, bulk: bool) -> CloudEvent:
    """Publish a request for one list, with this routing key."""
    asked = ListeExportRequested(commune="13900", listes=["CE"], bulk=bulk, requested_by="mairie")  # type: ignore[list-item]  # parsed by pydantic
    event = CloudEvent.wrap(asked, source="/test")
    town.publish(event.to_bytes(), routing_key)
    return event


def waiting(town: Town) -> dict[str, int]:
    """The number of messages in each queue, dead letters included; empty queues are left out."""
    states = read_queues(town.amqp_url, [town.account])
    lengths = {it.queue: it.messages for it in states} | {f"{it.queue}.XQ": it.dead_letters for it in states}
    return {queue: length for queue, length in lengths.items() if length}


def start_reader(town: Town) -> Process:
    """A worker that ingests requests of both kinds, and makes no files."""
    worker = town.start_worker("-Q", *READ)
    wait_until(lambda: all(it.consumers for it in read_queues(town.amqp_url) if it.queue in READ), message="consumers")
    return worker


def test_the_request_says_whether_it_is_of_a_batch_whatever_way_it_comes(town: Town) -> None:
    start_reader(town)
    ways = [
        (REQUEST_LISTE_EXPORT, True),
        (BULK_KEY, True),
        (BULK_KEY, True),
        (REQUEST_LISTE_EXPORT, False),
        (BULK_KEY, False),
    ]
    events = {ask(town, routing_key, bulk=bulk).id: bulk for routing_key, bulk in ways}
    expected = {QUEUE_LISTES: 2, QUEUE_LISTES_BULK: 3}
    wait_until(lambda: waiting(town) == expected, message="all doorbells, and no dead letter")
    rows = town.rows("SELECT event_id, is_bulk FROM derniers_exports")
    assert {row["event_id"]: row["is_bulk"] for row in rows} == events


def test_requests_of_a_batch_wait_in_a_queue_of_their_own(town: Town) -> None:
    start_reader(town).kill()
    town.start_worker("-Q", QUEUE_REQUESTS)
    batch = [ask(town, BULK_KEY, bulk=True) for _ in range(3)]
    single = ask(town, REQUEST_LISTE_EXPORT, bulk=False)
    town.wait_for(single, status="queued")
    wait_until(lambda: QUEUE_LISTES in waiting(town), message="the doorbell")
    assert [town.exports_of(event) for event in batch] == [[], [], []]
    assert waiting(town) == {QUEUE_REQUESTS_BULK: 3, QUEUE_LISTES: 1}


def test_a_worker_that_serves_everything_takes_a_clerks_file_before_those_of_a_batch(town: Town) -> None:
    start_reader(town).kill()
    batch = [ask(town, BULK_KEY, bulk=True) for _ in range(30)]
    single = ask(town, REQUEST_LISTE_EXPORT, bulk=False)
    town.start_worker()
    town.wait_for(single)
    for event in batch:
        town.wait_for(event)
    finished = [row["event_id"] for row in town.rows("SELECT event_id FROM derniers_exports ORDER BY finished_at")]
    assert finished.index(single.id) < 8
