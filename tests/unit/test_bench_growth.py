"""How work grows, and how a run is held against an earlier one."""

from pathlib import Path

import pytest

from bench.check import Check, ratio
from bench.growth import FLAT, LINEAR, STEPS, Growth, format_growth
from bench.report import compare, format_changes, write_json

SIZES = [100 * step for step in STEPS]


@pytest.mark.parametrize(
    ("power", "target", "is_met"), [(1.0, LINEAR, True), (1.2, LINEAR, False), (0.0, FLAT, True), (0.3, FLAT, False)]
)
def test_the_exponent_is_the_slope_of_the_logarithms(power: float, target: float, is_met: bool) -> None:
    growth = Growth("job", SIZES, [0.002 * step**power for step in STEPS], target)
    assert growth.exponent == pytest.approx(power)
    assert growth.is_met is is_met
    assert ("exceeded" in format_growth([growth])) is not is_met


def _ratio(*walls: float, is_floor: bool = False) -> Check:
    return ratio("P1", "job", walls, [1.0] * len(walls), target=9, unit="s", is_floor=is_floor)


@pytest.mark.parametrize(
    ("before", "now", "is_floor", "is_regression"),
    [
        ((2.0, 2.0, 2.0), (2.3, 2.3, 2.3), False, True),
        ((2.0, 2.0, 2.0), (2.1, 2.1, 2.1), False, False),
        ((2.0, 2.0, 2.0), (1.9, 2.3, 2.3), False, False),  # its best sample is as good as before
        ((2.0, 2.0, 2.0), (1.7, 1.7, 1.7), True, True),
        ((2.0, 2.0, 2.0), (2.6, 2.6, 2.6), True, False),
    ],
)
def test_a_figure_that_became_worse_by_more_than_a_tenth_is_a_regression(
    before: tuple[float, ...],
    now: tuple[float, ...],
    is_floor: bool,
    is_regression: bool,
    tmp_path: Path,
) -> None:
    earlier = tmp_path / "bench.json"
    write_json(earlier, facts={}, size=1000, checks=[_ratio(*before, is_floor=is_floor)], imports={})
    changes = compare([_ratio(*now, is_floor=is_floor)], earlier)
    assert [change.is_regression for change in changes] == [is_regression]
    assert ("REGRESSION" in format_changes(changes)) is is_regression
