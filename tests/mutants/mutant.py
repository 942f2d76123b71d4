"""A mutant: a line of the product with its safeguard removed, and the tests that must fail then.

Lines are compared in a copy of the product whose long lines are not split (`copy_unsplit`): the
layout of the product changes no mutant. `table.txt` has the safeguards that `make mutants`
removes, by the folder or file of the product that holds them.

Below the place come the test functions that must fail, then the changes, each of which must make all of them fail:
`-` is followed by words of one line, which occur once at that place, and `+` by their replacement. Without `+`, an
`if` is never true and a statement is left out (`pass`).

A test is named with `file.py::` before it where several files have a test of that name. A test that runs on both
databases is tried on SQLite; `[postgresql]` after its name where only PostgreSQL can detect the change.

`tests/contract/test_mutants.py` reports words that no longer exist in the product, and missing tests.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", ".*_cache", ".hypothesis")
_PRODUCT = ("schemas", "common", "producers", "worker", "deploy")
_DEFINITION = re.compile(r"^def (test_\w+)", re.MULTILINE)
_CONDITION = re.compile(r"(\s*(?:el)?if ).*:")


class MisplacedError(Exception):
    """The line or a test of a mutant does not exist, or exists several times."""


class Mutant(NamedTuple):
    """One removed safeguard, as the table names it."""

    place: str
    tests: tuple[str, ...]
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.place} - {self.before.strip()}"

    def find(self, root: Path) -> Path:
        """Return the file that has the line, relative to `root`, a copy by `copy_unsplit`.

        Raises:
            MisplacedError: no file has it, or it occurs more than once.
        """
        places = [
            (path, text.count(self.before))
            for path, text in _read_product(root)
            if self.before in text
        ]
        found = [(path, count) for path, count in places if path.as_posix().startswith(self.place)]
        if [count for _, count in found] != [1]:
            named = ", ".join(f"{path} ({count})" for path, count in places) or "nowhere"
            raise MisplacedError(
                f"« {self.before} » must stand once in {self.place}; it is in: {named}"
            )
        return found[0][0]

    def nodes(self) -> list[str]:
        """Return the pytest node ids of its tests.

        Raises:
            MisplacedError: there is no such test, or there are several of this name.
        """
        return [_find_node(test) for test in self.tests]


def copy_unsplit(folder: Path) -> Path:
    """Copy the tree into a new folder, each statement of the product on one line of 320 columns; return the folder."""
    shutil.copytree(ROOT, folder, ignore=_LEFT_OUT, symlinks=True)
    rooms = [str(folder / room) for room in _PRODUCT]
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--line-length", "320", *rooms]
    subprocess.run(command, cwd=folder, check=True)
    return folder


def read_mutants() -> list[Mutant]:
    """Read the mutants of `table.txt`."""
    table = Path(__file__).with_name("table.txt").read_text("utf-8")
    mutants: list[Mutant] = []
    place, tests = "", tuple[str, ...]()
    for line in table.strip().splitlines():
        mark, words = line[:6], line[6:]
        if not line.startswith(" "):
            place, tests = line, ()
        elif mark == "    - ":
            mutants.append(Mutant(place, tests, words, _without(words)))
        elif mark.rstrip() == "    +":
            mutants[-1] = mutants[-1]._replace(after=words)
        else:
            is_new = bool(mutants) and mutants[-1].tests is tests
            tests = (line.strip(),) if is_new else (*tests, line.strip())
    return mutants


def _without(line: str) -> str:
    """The replacement of a line: its condition is never true, or its statement is left out."""
    if condition := _CONDITION.fullmatch(line):
        return f"{condition[1]}False:"
    return line[: len(line) - len(line.lstrip())] + "pass"


def _find_node(test: str) -> str:
    head, bracket, parameters = test.partition("[")
    place, _, name = head.rpartition("::")
    files = [file for file in _find_tests().get(name, []) if file.endswith(place)]
    if len(files) != 1:
        raise MisplacedError(f"{name} must be one test; it is in: {files or 'no file'}")
    return f"{files[0]}::{name}{bracket}{parameters}"


@cache
def _read_product(root: Path) -> Sequence[tuple[Path, str]]:
    return [
        (path.relative_to(root), path.read_text("utf-8"))
        for room in _PRODUCT
        for path in sorted((root / room).rglob("*"))
        if path.suffix in {".py", ".html", ".sh", ".sql", ".xsd"}
    ]


@cache
def _find_tests() -> dict[str, list[str]]:
    """The files that contain a test of this name."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in _DEFINITION.findall(path.read_text("utf-8")):
            found.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    return found
