"""What a mutant is: a line of the product with its safeguard taken away, and the tests that must turn red."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_PRODUCT = ("schemas", "common", "producers", "worker", "deploy")
_DEFINITION = re.compile(r"^def (test_\w+)", re.MULTILINE)


class MisplacedError(Exception):
    """The line or a test of a mutant is gone, or there are several."""


class Mutant(NamedTuple):
    """One safeguard less.

    The line is found by its words, wherever the product has it: moving it to another file changes nothing here.
    """

    name: str
    """A word for the command line and for the decisions that promise what it takes away."""
    before: str
    """Words of one line, which stand exactly once in the product."""
    after: str
    tests: tuple[str, ...]
    """Names of test functions, `file.py::` before one that several files have.

    Those that run on both databases are tried on SQLite; `[postgresql]` after the name where it alone can tell.
    """
    where: str = ""
    """The folder or file to look in, where the words stand elsewhere too."""

    def find(self, root: Path = ROOT) -> Path:
        """The file that has the line, relative to `root`.

        Raises:
            MisplacedError: none has it, or it is there more than once.
        """
        found = [(path, text.count(self.before)) for path, text in _read_product(root) if self.before in text]
        found = [(path, count) for path, count in found if path.as_posix().startswith(self.where)]
        if len(found) != 1 or found[0][1] != 1:
            places = ", ".join(f"{path} ({count})" for path, count in found) or "nowhere"
            raise MisplacedError(f"{self.name}: « {self.before} » must stand once in the product; it is in: {places}")
        return found[0][0]

    def nodes(self) -> list[str]:
        """Its tests as pytest calls them.

        Raises:
            MisplacedError: there is no such test, or there are several of this name.
        """
        return [self._node(test) for test in self.tests]

    def _node(self, test: str) -> str:
        head, bracket, parameters = test.partition("[")
        place, _, name = head.rpartition("::")
        files = [file for file in _find_tests().get(name, []) if file.endswith(place)]
        if len(files) != 1:
            raise MisplacedError(f"{self.name}: {name} must be one test; it is in: {files or 'no file'}")
        return f"{files[0]}::{name}{bracket}{parameters}"


@cache
def _read_product(root: Path) -> Sequence[tuple[Path, str]]:
    return list(_walk_product(root))


def _walk_product(root: Path) -> Iterator[tuple[Path, str]]:
    for room in _PRODUCT:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in {".py", ".html", ".sh", ".sql", ".xsd"}:
                yield path.relative_to(root), path.read_text("utf-8")


@cache
def _find_tests() -> dict[str, list[str]]:
    """The files of the tests of a name."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in _DEFINITION.findall(path.read_text("utf-8")):
            found.setdefault(name, []).append(path.relative_to(ROOT).as_posix())
    return found
