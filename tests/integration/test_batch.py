"""A batch against a real broker and a real database: sent whole, sent again, followed by counts."""

from collections.abc import Iterator
from datetime import date
from threading import Thread
from typing import Any

import pytest

from producers import errors
from producers.batch.batch import Batch, BatchProgress, Failure, put_in_batch
from producers.batch.command import TOGETHER, send_batch
from producers.cli.requests import build_liste_export
from producers.publisher import Publisher
from producers.state import State
from schemas.envelope import CloudEvent
from schemas.topology import BULK_SUFFIX, QUEUE_REQUESTS_BULK, REQUEST_LISTE_EXPORT
from schemas.vocabulary import ExportStatus, Format, Liste, RequestOutcome
from tests.integration.fake_worker import Records
from tests.integration.requests_queue import RequestsQueue
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import MIGRATED_TEMPLATE

pytestmark = [pytest.mark.integration, pytest.mark.database(MIGRATED_TEMPLATE)]

READY: dict[str, Any] = {"status": ExportStatus.READY, "bloquantes": 2, "remarques": 5}
FAILED: dict[str, Any] = {"status": ExportStatus.FAILED, "error_code": "xsd", "error_message": "Ligne 3."}


@pytest.fixture
def records(database_url: str) -> Iterator[Records]:
    rows = Records(database_url)
    yield rows
    rows.close()


@pytest.fixture
def state(database_url: str) -> Iterator[State]:
    with State(database_url) as reader:
        yield reader


def make_batch(number: int, name: str = "lot-1") -> Batch:
    """So many communes."""
    return Batch(name, [_request(f"{13 + index // 1000}{index % 1000:03}", name) for index in range(number)])


def _request(commune: str, name: str) -> CloudEvent:
    event = build_liste_export(commune, list(Liste), list(Format), bulk=True, requested_by="mairie", source="/tests")
    return put_in_batch(event, name)


def take_all(queue: RequestsQueue) -> list[str]:
    """The ids of the requests that wait, each checked to have come as one of a batch."""
    ids = []
    while message := queue.poll(QUEUE_REQUESTS_BULK):
        routing_key, properties, body = message
        assert routing_key == REQUEST_LISTE_EXPORT + BULK_SUFFIX
        ids.append(CloudEvent.from_bytes(body).id)
        assert properties.message_id == ids[-1]
    return ids


def test_many_requests_leave_together_and_none_is_lost(amqp_url: str) -> None:
    batch = make_batch(2 * TOGETHER + 50)
    shown: list[int] = []
    with RequestsQueue(amqp_url) as queue, Publisher(amqp_url) as publisher:
        send_batch(batch, publisher, shown.append)
        assert take_all(queue) == [event.id for event in batch.events]
        assert queue.poll() is None, "a clerk's queue stays free"
    assert shown == [TOGETHER, 2 * TOGETHER, 2 * TOGETHER + 50]


def test_one_that_nobody_waits_for_among_many_is_told(amqp_url: str) -> None:
    good, *others = make_batch(5).events
    bad = good.model_copy(update={"type": "fr.openelec.inconnu"})
    with RequestsQueue(amqp_url), Publisher(amqp_url) as publisher, pytest.raises(errors.UnroutableError):
        publisher.publish(*others, bad, good)


def test_one_that_is_refused_among_many_is_told(amqp_url: str) -> None:
    with RequestsQueue(amqp_url, max_length=3), Publisher(amqp_url) as publisher:
        with pytest.raises(errors.QueueFullError):
            publisher.publish(*make_batch(5).events)
        publisher.publish(build_liste_export("13900", requested_by="mairie", source="/tests"))


@pytest.mark.slow
def test_a_broker_that_restarts_in_the_middle_gets_every_request(rabbit_node: RabbitNode, amqp_url: str) -> None:
    batch = make_batch(4 * TOGETHER)
    restarting = Thread(target=rabbit_node.restart)

    def restart_once(sent: int) -> None:
        if sent == TOGETHER:
            restarting.start()

    with RequestsQueue(amqp_url), Publisher(amqp_url) as publisher:
        send_batch(batch, publisher, restart_once)
    restarting.join()
    with RequestsQueue(amqp_url) as queue:
        assert set(take_all(queue)) == {event.id for event in batch.events}


def test_a_batch_is_counted_by_requests_and_files(records: Records, state: State) -> None:
    batch = make_batch(6)
    records.accept(batch.events[0], **READY)
    records.accept(batch.events[1], **FAILED)
    records.accept(batch.events[2], status=ExportStatus.RUNNING)
    records.accept(batch.events[3], status=ExportStatus.CANCELLED)
    records.refuse(batch.events[4], "Commune inconnue.")
    records.accept(batch.events[5], **READY, provisoire_until=date(2099, 1, 10))
    records.accept(make_batch(1, "another").events[0], **READY)
    progress = state.batch_progress("/tests", "lot-1")
    assert progress == BatchProgress(
        read=6, settled=5, refused=1, ready=12, provisional=6, to_correct=6, failed=6, cancelled=6
    )
    assert state.batch_progress("/elsewhere", "lot-1") == BatchProgress()


def test_a_file_that_was_recalled_is_ready_no_more(records: Records, state: State) -> None:
    batch = make_batch(2)
    records.accept(batch.events[0], **READY, recall_id=records.recall(batch.events[0]))
    records.accept(batch.events[1], **READY, provisoire_until=date(2099, 1, 10))
    progress = state.batch_progress("/tests", "lot-1")
    assert (progress.ready, progress.recalled, progress.provisional, progress.to_correct) == (12, 6, 6, 0)
    recalled, coming = state.batch_outcomes("/tests", "lot-1", batch.asked)
    assert (recalled.recalled, recalled.usable, recalled.is_whole) == (6, 0, False)
    assert (recalled.bloquantes, recalled.remarques) == (0, 0), "what is wrong with it is no matter any more"
    assert (coming.recalled, coming.provisional, coming.is_whole) == (0, 6, True)


def test_what_became_of_each_commune_is_told_in_the_order_of_the_file(records: Records, state: State) -> None:
    batch = make_batch(5)
    for event, values in zip(batch.events, (READY, FAILED, {}), strict=False):
        records.accept(event, **values)
    records.refuse(batch.events[3], "Commune inconnue.")
    records.accept(_request("2A004", "lot-1"), **READY)
    ready, failed, running, refused, unread = state.batch_outcomes("/tests", "lot-1", batch.asked)
    assert [ready.commune, unread.commune] == ["13000", "13004"]
    assert (ready.ready, ready.bloquantes, ready.remarques) == (6, 6, 15), "a list counts once, whatever its formats"
    assert (ready.to_correct, ready.usable) == (6, 0)
    assert (failed.failed, failed.failures) == (6, (Failure("xsd", "Ligne 3.", 6),))
    assert (running.unfinished, running.is_settled) == (6, False)
    assert (refused.outcome, refused.reason) == (RequestOutcome.REFUSED, "Commune inconnue.")
    assert (unread.outcome, unread.is_settled) == (None, False)
