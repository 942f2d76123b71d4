"""The table, and the samples as JSON with the facts of the host, without its name or paths."""

import json
import os
import platform
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.check import Check
from bench.measure import Measure
from bench.stage import Database

_LIBRARIES = (
    "sqlalchemy",
    "psycopg",
    "lxml",
    "reportlab",
    "pydantic",
    "dramatiq",
    "pika",
    "starlette",
    "jinja2",
)
_WHOLE = ("MB", "ms")
"""Units without significant fractions."""

REGRESSION = "REGRESSION"
"""The verdict on a figure that is worse by more than the noise of the host, and even its best sample is worse."""
_NOISE = 0.1


def machine_facts(postgresql: str) -> dict[str, Any]:
    """Return the facts that explain the figures."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "postgresql": postgresql,
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def format_table(checks: Iterable[Check]) -> str:
    """Return one line per check, in aligned columns."""
    return align(
        [("", "what", "measured", "spread", "target", "", "figures"), *map(_cells, checks)]
    )


def align(rows: Sequence[tuple[str, ...]]) -> str:
    """Return the lines of a table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join((lines[0], "-" * max(map(len, lines)), *lines[1:]))


def _cells(check: Check) -> tuple[str, ...]:
    is_ratio = len(check.samples) > 1
    unit = "" if is_ratio else check.unit
    medians = [_figure(median(it), check.unit) for it in check.samples]
    return (
        check.name,
        check.what,
        _figure(check.value, unit),
        f"{_figure(check.lowest, unit)}–{_figure(check.highest, unit)}",
        f"{'≥' if check.is_floor else '≤'} {check.target:g} {unit}",
        "ok" if check.is_met else "below target" if check.is_floor else "above target",
        " / ".join(medians) if is_ratio else f"median {medians[0]}",
    )


def _figure(value: float, unit: str) -> str:
    return (
        f"{value:.0f} {unit}"
        if unit in _WHOLE
        else f"{value:.2f} {unit}"
        if unit
        else f"{value:.3f}"
    )


def compare(checks: Iterable[Check], earlier: Path) -> str:
    """Return one line per figure that the earlier run has too: before, now, how much worse, the verdict."""
    content = json.loads(earlier.read_text("utf-8"))
    before = {(it["name"], it["what"]): it["value"] for it in content["checks"]}
    rows = [("", "what", "before", "now", "worse", "")]
    for check in checks:
        if former := before.get((check.name, check.what)):
            sign, best = (-1, check.highest) if check.is_floor else (1, check.lowest)
            worse = sign * (check.value / former - 1)
            verdict = REGRESSION if worse > _NOISE and sign * (best - former) > 0 else ""
            rows.append(
                (
                    check.name,
                    check.what,
                    f"{former:.3g}",
                    f"{check.value:.3g}",
                    f"{worse:+.0%}",
                    verdict,
                )
            )
    return align(rows) if len(rows) > 1 else ""


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
            {"database": database, "electeurs": electeurs} | asdict(measure)
            for (database, electeurs), measure in imports.items()
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
