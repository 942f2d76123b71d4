"""What runs side by side: files that share a dear fixture are named where they are."""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from tests.parts.scheduling import SHARED, seventh

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("files", [files for group in SHARED.values() for files in group])
def test_a_shared_fixture_is_that_of_files_that_exist(files: str) -> None:
    assert list(ROOT.glob(files))


class _Item(NamedTuple):
    """What scheduling asks of a test."""

    path: Path
    marks: frozenset[str] = frozenset()

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None


def test_a_week_runs_every_slow_test_and_each_day_the_others() -> None:
    slow = [_Item(Path(f"test_{number % 20}.py"), frozenset({"slow"})) for number in range(50)]
    others = [_Item(Path("test_1.py")), _Item(Path("boxes/test_2.py"), frozenset({"slow"}))]
    week = [cast("list[_Item]", seventh(cast("Any", [*slow, *others]), day)) for day in range(1, 8)]
    assert all([it for it in day if it in others] == others for day in week)
    ran = Counter(it for day in week for it in day if it not in others)
    assert ran == Counter(slow)
