"""The installation that a fault breaks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stage import Stage
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode


@pytest.fixture
def stage(
    rabbit_node: RabbitNode, postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[Stage]:
    with Stage(rabbit_node, postgres_server, tmp_path) as stage:
        yield stage
