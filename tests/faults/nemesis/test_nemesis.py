"""The first round of a seed, and whole seeds at night: SEEDS of them, from SEED on (`make nemesis`)."""

import os

import pytest

from tests.faults.nemesis.play import ROUNDS, describe, draw, play_rounds
from tests.faults.stage import Stage

_SHORT = 35
"""Its first round cuts the database connections while a worker is frozen and mail is slow."""
_FIRST, _COUNT = int(os.environ.get("SEED", "1")), int(os.environ.get("SEEDS", "3"))
_WHOLE = [pytest.param(seed, ROUNDS, marks=pytest.mark.slow) for seed in range(_FIRST, _FIRST + _COUNT)]


@pytest.mark.parametrize(("seed", "count"), [(_SHORT, 1), *_WHOLE])
def test_whatever_comes_together_nothing_is_lost_doubled_or_failed(stage: Stage, seed: int, count: int) -> None:
    rounds = draw(seed)[:count]
    print(describe(rounds))  # noqa: T201 — pytest shows it when the test fails
    play_rounds(stage, rounds, seed, requests=4)
