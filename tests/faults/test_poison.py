"""Invalid messages to a running worker: each is a dead letter or a refused request, with its reason."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import NackError

from schemas.envelope import CloudEvent, InvalidEventError
from tests.faults.poison import HAND_MADE, SECRET, Poison
from tests.parts.town import LIBREVILLE_TEMPLATE, QUEUES_OF_FILES, Town
from tests.parts.wait import wait_until
from worker.messaging.dead_letters import open_office
from worker.messaging.reading import read_unreadable

pytestmark = pytest.mark.database(LIBREVILLE_TEMPLATE)

_TIMES = 100
"""Enough to see a worker that keeps what it refuses."""
_LARGER_BYTES = 48 << 20
"""Allowed growth of a worker: its caches, and the largest message."""


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Town]:
    town = Town(postgres_url, amqp_url, tmp_path)
    yield town
    town.close()


def _publish(town: Town) -> None:
    with pika.BlockingConnection(pika.URLParameters(town.amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for poison, _ in HAND_MADE.values():
            wait_until(partial(_is_taken, channel, poison), message="room in the queue")


def _is_taken(channel: BlockingChannel, poison: Poison) -> bool:
    try:
        channel.basic_publish(
            poison.exchange, poison.routing_key, poison.body, poison.properties, mandatory=True
        )
    except NackError:
        return False
    return True


def _request_of(poison: Poison) -> tuple[str, str]:
    """Source and id of the request that a message makes, even one that is refused for its form; or empty."""
    try:
        event = CloudEvent.from_bytes(poison.body)
    except InvalidEventError:
        properties = pika.BasicProperties(message_id=poison.message_id.decode("utf-8", "replace"))
        unreadable = read_unreadable(poison.body, properties, poison.routing_key)
        return (
            (unreadable[0].source, unreadable[0].id) if poison.exchange and unreadable else ("", "")
        )
    return event.source, event.id


@pytest.mark.slow
def test_poison_becomes_a_dead_letter_or_a_refusal_and_stops_no_worker(town: Town) -> None:
    worker = town.start_worker()
    family = worker.family
    dead: dict[bytes, str] = {}
    rows: dict[tuple[str, str], str] = {}
    town.wait_for(town.ask(listes=["CE"]))
    before = worker.memory
    for _ in range(_TIMES):
        _publish(town)
    town.wait_for(town.ask(listes=["CE"]), timeout=300)

    def has_reasons() -> bool:
        with open_office(town.amqp_url) as office:
            dead.update(
                {it.body: it.reason for queue in QUEUES_OF_FILES for it in office.look(queue)}
            )
        rows.update(
            {(it.source, it.event_id): it.reason for it in town.rows("SELECT * FROM demandes")}
        )
        return all(
            poison.body in dead or _request_of(poison) in rows for poison, _ in HAND_MADE.values()
        )

    wait_until(has_reasons, timeout=300, message="a reason for each message")
    given = {
        name: dead.get(it.body) or rows[_request_of(it)] for name, (it, _) in HAND_MADE.items()
    }
    for name, reason in given.items():
        # The sender of a request that is refused for its form reads the reason in French.
        assert reason.startswith((HAND_MADE[name][1], "Événement illisible : ")), name
    assert SECRET not in "".join(given.values()) + town.log("worker")
    assert not any(town.queue(queue) for queue in QUEUES_OF_FILES), "messages are left"
    assert worker.family == family, "a process died"
    assert worker.memory < before + _LARGER_BYTES
