"""What the bench makes of its samples, and what its table shows."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from bench.check import Check, ceiling, ratio
from bench.checks import CHECKS
from bench.measure import Measure, Stopwatch, in_turn
from bench.report import format_table, machine_facts, write_json
from bench.stage import Database, Stage
from tests.parts.packages import MissingPartError, Part


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


class Rehearsal:
    """A stage whose jobs take no time: seconds and megabytes by the name of the job."""

    size = 1000

    def __init__(self, figures: dict[str, Measure]) -> None:
        self.told: list[str] = []
        self.imports = dict.fromkeys([("PostgreSQL", 1000), ("SQLite", 1000)], Measure(wall=1, peak=60))
        self._figures = figures

    def tell(self, line: str) -> None:
        self.told.append(line)

    def drawing(self, name: str, size: int) -> Callable[[], Measure]:
        assert size == 20
        return lambda: self._figures[name]

    def job(self, *_register: object) -> Callable[[], Measure]:
        return lambda: Measure(wall=1, peak=80)

    def tableau(self, database: Database, size: int) -> Callable[[], Measure]:
        drawn = self._figures[database]
        return lambda: replace(drawn, lines=size - drawn.lines)


def run(check: str, stage: Rehearsal) -> list[Check]:
    return list(CHECKS[check](cast("Stage", stage)))


def test_a_drawing_is_compared_with_the_others_by_its_cpu() -> None:
    stage = Rehearsal({"pdf": Measure(wall=9, cpu=1), "long table": Measure(wall=1, cpu=8)})
    (check,) = run("P5", stage)
    assert (check.name, check.value, check.target) == ("P5", 0.125, 0.2)


def test_where_php_may_not_be_installed_the_bench_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(part: Part) -> None:
        raise MissingPartError(f"{part.name} is missing")

    monkeypatch.setattr("bench.checks.provide", refuse)
    stage = Rehearsal({})
    assert run("P4", stage) == []
    assert stage.told == ["P4 is left out: PHP is missing"]


def test_the_peak_of_a_tableau_has_a_ceiling_of_its_own() -> None:
    drawn = Measure(wall=1, peak=149)
    checks = run("P6", Rehearsal({"PostgreSQL": drawn, "SQLite": drawn}))
    of_pdf = [check for check in checks if "PDF" in check.what]
    assert [(check.value, check.target, check.is_met) for check in of_pdf] == [(149, 150, True), (149, 200, True)] * 2


def test_a_tableau_without_all_its_lines_is_no_measure() -> None:
    with pytest.raises(RuntimeError, match="mouvements"):
        run("P6", Rehearsal({"PostgreSQL": Measure(wall=1, peak=1, lines=1)}))


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
