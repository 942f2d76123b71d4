"""The table, and the samples as JSON with the facts of the host, without its name or paths."""

import json
import os
import platform
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from bench.check import Check
from bench.measure import Measure
from bench.stage import Database

_LIBRARIES = ("sqlalchemy", "psycopg", "lxml", "reportlab", "pydantic", "dramatiq", "pika", "starlette", "jinja2")
_WHOLE = ("MB", "ms")
"""Units without significant fractions."""

REGRESSION = 0.1
"""The change beyond which a figure is worse, not just noise of the host."""

_HEADINGS = ("", "what", "measured", "spread", "target", "", "figures")


def machine_facts(postgresql: str) -> dict[str, Any]:
    """Return the facts that explain the figures."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "postgresql": postgresql,
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def format_table(checks: Sequence[Check]) -> str:
    """Return one line per check, in aligned columns."""
    return _align([_HEADINGS, *map(_cells, checks)])


def _align(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join((lines[0], "-" * max(map(len, lines)), *lines[1:]))


def _cells(check: Check) -> tuple[str, ...]:
    return (
        check.name,
        check.what,
        _figure(check.value, check.unit),
        f"{_figure(check.lowest, check.unit)}–{_figure(check.highest, check.unit)}",
        f"{'≥' if check.is_floor else '≤'} {check.target:g} {check.unit}",
        "ok" if check.is_met else "below target" if check.is_floor else "above target",
        _figures(check),
    )


def _figures(check: Check) -> str:
    left = _figure(check.left, check.absolute_unit)
    if check.right is not None:
        return f"{left} / {_figure(check.right, check.absolute_unit)}"
    return f"median {left}" if check.left != check.value else ""


def _figure(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if unit in _WHOLE else f"{value:.2f} {unit}" if unit else f"{value:.3f}"


class Change(NamedTuple):
    """A figure with that of an earlier run."""

    check: Check
    before: float

    @property
    def worse(self) -> float:
        """The relative change for the worse; negative: better."""
        change = self.check.value / self.before - 1
        return -change if self.check.is_floor else change

    @property
    def is_regression(self) -> bool:
        """Whether the figure is worse by more than a tenth, and even its best sample is worse."""
        best = self.check.highest if self.check.is_floor else self.check.lowest
        beyond = best < self.before if self.check.is_floor else best > self.before
        return self.worse > REGRESSION and beyond


def compare(checks: Iterable[Check], earlier: Path) -> list[Change]:
    """Return the figures that the earlier run has too, in our order."""
    content = json.loads(earlier.read_text("utf-8"))
    before = {(it["name"], it["what"]): it["value"] for it in content["checks"]}
    return [Change(it, before[it.name, it.what]) for it in checks if (it.name, it.what) in before]


def format_changes(changes: Sequence[Change]) -> str:
    """Return one line per figure: before, now, the verdict."""
    rows = [
        (
            change.check.name,
            change.check.what,
            _figure(change.before, change.check.unit),
            _figure(change.check.value, change.check.unit),
            f"{change.worse:+.0%} worse" if change.worse > 0 else f"{-change.worse:.0%} better",
            "REGRESSION" if change.is_regression else "",
        )
        for change in changes
    ]
    return _align([("", "what", "before", "now", "change", ""), *rows])


def write_json(
    path: Path,
    *,
    facts: Mapping[str, Any],
    size: int,
    checks: Iterable[Check],
    imports: Mapping[tuple[Database, int], Measure],
) -> None:
    """Write all measures, with the facts of the host, as JSON."""
    content = {
        "machine": facts,
        "size": size,
        "checks": [{**asdict(check), "is_met": check.is_met} for check in checks],
        "imports": [
            {"database": database, "electeurs": electeurs, "lines_per_second": round(measure.lines / measure.wall)}
            | asdict(measure)
            for (database, electeurs), measure in imports.items()
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
