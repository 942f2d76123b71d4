"""The table, and the samples as JSON with what the machine is; neither its name nor its paths."""

import json
import os
import platform
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.check import Check
from bench.measure import Measure
from bench.stage import Database

_LIBRARIES = ("sqlalchemy", "psycopg", "lxml", "reportlab", "pydantic", "dramatiq", "pika", "starlette", "jinja2")
_WHOLE = ("MB", "ms")
"""Units whose fractions tell nothing."""

_HEADINGS = ("", "what", "measured", "spread", "target", "", "figures")


def machine_facts(postgresql: str) -> dict[str, Any]:
    """What explains the figures."""
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
    """One line per check, in aligned columns."""
    rows = [_HEADINGS, *map(_cells, checks)]
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


def write_json(
    path: Path,
    *,
    facts: Mapping[str, Any],
    size: int,
    checks: Iterable[Check],
    imports: Mapping[tuple[Database, int], Measure],
) -> None:
    """Everything that was measured."""
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
