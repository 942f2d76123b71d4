"""The table of verdicts, for a terminal and as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tests.faults.facts import Facts
from tests.faults.runner import Verdict

_FACTS = [field.name for field in fields(Facts)]
_COLUMNS = [*_FACTS, "seconds"]
_FAULT_WIDTH = 56


def headings() -> str:
    return _line("fault", _COLUMNS, "")


def row(verdict: Verdict) -> str:
    """The line of one fault, with the reason when it failed."""
    counts = [str(getattr(verdict.facts, name)) for name in _FACTS]
    return _line(verdict.fault, [*counts, f"{verdict.seconds:.1f}"], _result(verdict))


def write_json(path: Path, verdicts: Iterable[Verdict], **facts: Any) -> None:  # noqa: ANN401 — JSON
    """Write all counts."""
    rows = [{**asdict(verdict), "broken": verdict.broken} for verdict in verdicts]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**facts, "faults": rows}, ensure_ascii=False, indent=2) + "\n", "utf-8")


def _line(fault: str, cells: Sequence[str], result: str) -> str:
    aligned = (cell.rjust(len(column)) for cell, column in zip(cells, _COLUMNS, strict=True))
    return "  ".join((fault.ljust(_FAULT_WIDTH), *aligned, result)).rstrip()


def _result(verdict: Verdict) -> str:
    if verdict.broken:
        return f"BROKEN: {', '.join(verdict.broken)} {verdict.trouble}".rstrip()
    return f"ok ({verdict.note})" if verdict.note else "ok"
