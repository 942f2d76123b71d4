"""The size of the repository: `python -m tests.weight` prints each figure beside the recorded one and its ceiling.

A figure above the recorded one fails: remove something, or raise it in tests/weight.json with a reason in the commit.
`--record` lowers the recorded figures to today's. The ceilings are those of issues 27 and 28 at the end of the wave;
a figure below its ceiling may move, a figure above it must not grow.
"""

import ast
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click

from common.settings import VARIABLES
from schemas.declarations import NOTE_KINDS

ROOT = Path(__file__).parents[1]
TABLE = Path(__file__).with_suffix(".json")
_PRODUCT = ("common/*.py", "schemas/*.py", "producers/*.py", "worker/*.py")
_SHIPPED = re.compile(r"^\| `python -m (?:worker|producers)", re.MULTILINE)


class Figure(NamedTuple):
    """A row of the table."""

    name: str
    today: int
    recorded: int
    ceiling: int

    @property
    def allowed(self) -> int:
        """The largest value that passes."""
        return max(self.ceiling, self.recorded)


def measure() -> dict[str, int]:
    """Measure the repository; tests/integration/test_journeys.py measures the journeys."""
    product = [_read(path) for path in _list_files(*_PRODUCT)]
    tests = [_read(path) for path in _list_files("tests/*.py")]
    test_lines = _count_lines(tests)
    return {
        "product lines": _count_lines(product),
        "product files": len(product),
        "test lines": test_lines,
        "tests outside test functions, %": round(
            100 * (1 - sum(map(_lines_of_tests, tests)) / test_lines)
        ),
        "words of Markdown": sum(len(_read(path).split()) for path in _list_files("*.md")),
        "settings": len(VARIABLES),
        "commands": len(_SHIPPED.findall(_read(ROOT / "docs" / "commands.md"))),
        "tables": _count_tables(),
        "event types and kinds": len(list((ROOT / "schemas" / "json").glob("*.json")))
        + len(NOTE_KINDS),
    }


def read_table() -> dict[str, dict[str, int]]:
    """The recorded figures and the ceilings, by name."""
    table: dict[str, dict[str, int]] = json.loads(_read(TABLE))
    return table


def compare() -> list[Figure]:
    """Each measured figure beside its row of the table."""
    table = read_table()
    return [Figure(name, today, **table[name]) for name, today in measure().items()]


@click.command()
@click.option("--record", is_flag=True, help="Lower the recorded figures to today's.")
def main(*, record: bool) -> None:
    """Print the weight of the repository; fail where a figure has grown."""
    figures = compare()
    click.echo(f"{'':34}{'today':>8}{'recorded':>10}{'ceiling':>9}")
    for it in figures:
        mark = (
            "  TOO MUCH" if it.today > it.allowed else "" if it.today > it.ceiling else "  reached"
        )
        click.echo(f"{it.name:34}{it.today:8}{it.recorded:10}{it.ceiling:9}{mark}")
    if record:
        lowered = {
            it.name: {"recorded": min(it.today, it.recorded), "ceiling": it.ceiling}
            for it in figures
        }
        TABLE.write_text(json.dumps(read_table() | lowered, indent=2) + "\n", "utf-8")
    sys.exit(any(it.today > it.allowed for it in figures))


def _list_files(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).exists()]


def _read(path: Path) -> str:
    return path.read_text("utf-8")


def _count_lines(texts: list[str]) -> int:
    return sum(text.count("\n") for text in texts)


def _lines_of_tests(text: str) -> int:
    return sum(
        (node.end_lineno or 0) - min([node.lineno, *(it.lineno for it in node.decorator_list)]) + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    )


def _count_tables() -> int:
    import_module("worker.db.migrate")
    return len(import_module("worker.db.types").Base.metadata.tables)


if __name__ == "__main__":
    main()
