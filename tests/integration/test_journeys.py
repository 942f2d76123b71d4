"""A request passes through few files: `python -m tests.journeys` lists them."""

from pathlib import Path

import pytest

from tests.journeys.walks import JOURNEYS, trace
from tests.weight import read_table


@pytest.mark.slow
@pytest.mark.parametrize("name", JOURNEYS)
def test_the_road_has_not_grown(name: str, tmp_path: Path) -> None:
    files = trace(name, tmp_path)
    limits = read_table()[f"journey {name}"]
    assert len(files) <= max(limits.values()), files
