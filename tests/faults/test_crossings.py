"""All crossings of a request in the slow tests, else a few: whatever happens there, it is processed and notified."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from tests.faults.crossings import Crossings, Mishap
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode

SOME = 38


@pytest.fixture
def road(rabbit_node: RabbitNode, postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Crossings]:
    rabbit_node.start()
    postgres_server.start()
    with Crossings(rabbit_node, postgres_server, tmp_path) as opened:
        yield opened


def test_a_request_is_served_whatever_happens_at_some_of_its_crossings(road: Crossings) -> None:
    mishaps = cycle(Mishap)
    played = [road.play(at, next(mishaps)) for at in range(SOME, len(road.names) + 1, SOME)]
    assert not [it for it in played if it.wrong]


@pytest.mark.slow
@pytest.mark.parametrize("mishap", Mishap)
def test_a_request_is_served_whatever_happens_at_any_crossing(road: Crossings, mishap: Mishap) -> None:
    played = [road.play(at, mishap) for at in range(1, len(road.names) + 1)]
    assert not [it for it in played if it.wrong]
    if mishap is not Mishap.SILENCE:  # there the resumed process goes on with the mail that others have sent
        assert not [it for it in played if it.copies and not it.is_mailed], "a mail came twice without need"
