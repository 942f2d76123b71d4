"""The first round of a seed, and three whole seeds at night (from SEED on); `make nemesis` plays any number."""

import os
from pathlib import Path

import pytest

from tests.faults import table
from tests.faults.nemesis.play import ROUNDS, describe, draw, play_rounds
from tests.faults.nemesis.troubles import BY_NAME, TROUBLES
from tests.faults.stage import Servers
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode

_SHORT = 35
"""Its first round cuts the database connections while a worker is frozen and mail is slow."""
_FIRST = int(os.environ.get("SEED", "1"))


@pytest.mark.faults
@pytest.mark.parametrize(
    ("seed", "count"),
    [(_SHORT, 1), *(pytest.param(it, ROUNDS, marks=pytest.mark.slow) for it in range(_FIRST, _FIRST + 3))],
)
def test_whatever_comes_together_nothing_is_lost_doubled_or_failed(
    rabbit_node: RabbitNode, postgres_server: PostgresServer, tmp_path: Path, seed: int, count: int
) -> None:
    rounds = draw(seed)[:count]
    requests = 4 * (count + 1)
    servers = Servers(rabbit_node, postgres_server)
    verdict = play_rounds(rounds, seed, servers, tmp_path / "stage", requests=requests)
    assert not verdict.broken, f"\nseed {seed}: {describe(rounds)}\n{table.headings()}\n{table.row(verdict)}"


def test_a_seed_is_always_the_same_sequence_and_each_trouble_comes() -> None:
    assert draw(7) == draw(7) != draw(8)
    drawn = [steps for seed in range(200) for steps in draw(seed)]
    assert len(drawn) == 200 * ROUNDS
    assert {step.trouble for steps in drawn for step in steps} == set(BY_NAME)
    for steps in drawn:
        parts = [BY_NAME[step.trouble].part for step in steps]
        assert len(parts) == len(set(parts)) in {2, 3}
    assert len(BY_NAME) == len(TROUBLES)
