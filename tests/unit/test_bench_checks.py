"""What the bench makes of its samples, and what its table shows."""

import json
from pathlib import Path

import pytest

from bench.check import Check, ceiling, ratio
from bench.measure import Measure, Stopwatch, in_turn
from bench.report import format_table, machine_facts, write_json
from bench.stage import Database


def a_ratio(target: float) -> Check:
    return ratio("P1", "job / copy", [2.0, 3.0, 8.0], [1.0, 2.0, 2.0], target=target, unit="s")


def test_a_ratio_is_that_of_the_medians_and_its_spread_that_of_the_pairs() -> None:
    check = a_ratio(2.0)
    assert (check.value, check.lowest, check.highest) == (1.5, 1.5, 4.0)
    assert (check.left, check.right) == (3.0, 2.0)


@pytest.mark.parametrize(("target", "verdict"), [(1.5, "ok"), (1.49, "above target")])
def test_a_target_is_met_up_to_itself(target: float, verdict: str) -> None:
    check = a_ratio(target)
    assert check.is_met is (verdict == "ok")
    assert f" {verdict} " in format_table([check]).splitlines()[-1]


def test_a_ceiling_is_compared_with_the_worst_sample() -> None:
    assert ceiling("P6", "peak", [90.0, 121.0], target=120, unit="MB").is_met is False


def test_the_jobs_take_turns() -> None:
    order: list[str] = []

    def job(name: str) -> Measure:
        order.append(name)
        return Measure(wall=len(order))

    samples = in_turn([lambda: job("A"), lambda: job("B")], 2)
    assert order == ["A", "B", "A", "B"]
    assert [[measure.wall for measure in measures] for measures in samples] == [[1, 3], [2, 4]]


def test_a_process_knows_its_peak() -> None:
    with Stopwatch() as watch:
        block = bytearray(64_000_000)
    assert watch.measure().peak > 64
    assert len(block) == 64_000_000


def test_what_is_kept_names_neither_the_machine_nor_its_paths(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.json"
    imports: dict[tuple[Database, int], Measure] = {("SQLite", 1000): Measure(wall=2.0, lines=1012)}
    write_json(path, facts=machine_facts("17"), size=1000, checks=[a_ratio(2)], imports=imports)
    written = json.loads(path.read_text())
    assert set(written["machine"]) == {
        "cores",
        "load_average",
        "system",
        "python",
        "postgresql",
        "sqlite",
        "libraries",
    }
    assert written["imports"][0]["lines_per_second"] == 506
    assert written["checks"][0]["samples"] == [[2.0, 3.0, 8.0], [1.0, 2.0, 2.0]]
    assert str(Path.home()) not in path.read_text()
