"""A few faults, with fewer requests than `make faults`, which plays them all."""

from pathlib import Path

import pytest

from tests.faults import table
from tests.faults.plays import FAULTS
from tests.faults.runner import Fault, play
from tests.faults.stage import Servers
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode

pytestmark = [pytest.mark.faults, pytest.mark.slow]

_REQUESTS = 8


@pytest.fixture
def servers(rabbit_node: RabbitNode, postgres_server: PostgresServer) -> Servers:
    return Servers(rabbit_node, postgres_server)


@pytest.mark.parametrize("fault", [it for it in FAULTS.values() if it.is_short], ids=lambda fault: fault.slug)
def test_nothing_is_lost_doubled_or_half_written(fault: Fault, servers: Servers, tmp_path: Path) -> None:
    verdict = play(fault, servers, tmp_path, requests=_REQUESTS)
    assert not verdict.broken, f"\n{table.headings()}\n{table.row(verdict)}"
