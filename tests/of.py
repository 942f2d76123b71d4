"""`python -m tests.of FILE`: run the tests of one module of the product, the nearest first, for twenty seconds.

No list is kept by hand. A test file belongs to a module by its name (`test_french.py` to `common/french.py`,
`test_work.py` to `worker/work/queue.py`), because it imports the module or starts it as a process, or because it
imports another module that does. The search stops at the first distance at which there are test files. Tests that
do not start within twenty seconds are skipped and counted.
"""

import ast
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("schemas", "common", "producers", "worker")
SECONDS = 20
"""How long tests may start, from the first one on."""
MOST_FILES = 12
"""A module that everything imports has more: collecting them takes longer than they may run."""

_FAST_ROOMS = ("unit", "contract", "golden")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that would start too late; pytest reads this module as a plugin (`-p`)."""
    if time.monotonic() - _begin() > SECONDS:
        pytest.skip(f"{item.name} did not start within {SECONDS} s")


@cache
def _begin() -> float:
    return time.monotonic()


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def main(file: str) -> None:
    """Run the tests of FILE, a Python file of the product."""
    tests = find_tests(file)
    click.echo("\n".join(tests))
    options = ["-q", "-rfE", "-n", "2", "-m", "not slow", "-p", "tests.of"]
    sys.exit(
        subprocess.run([sys.executable, "-m", "pytest", *options, *tests], check=False).returncode
    )


def find_tests(file: str) -> list[str]:
    """Return the test files of a product file, both relative to the root, the nearest first.

    Raises:
        click.UsageError: `file` is no Python file of the product, or no test reaches it.
    """
    path = Path(file).resolve().relative_to(ROOT)
    if path.parts[0] not in ROOMS or path.suffix != ".py":
        raise click.UsageError(f"{file} is no Python file of {', '.join(ROOMS)}")
    graph = read_imports()
    module = _name(path)
    named = {test for test in graph if _is_named_after(test, module)}
    near = sorted(_nearest(graph, module) - named, key=lambda test: _order(test, graph))
    found = [f"{test.replace('.', '/')}.py" for test in (*sorted(named), *near)]
    if not found:
        raise click.UsageError(f"no test imports {file}, directly or by another module")
    return found[:MOST_FILES]


@cache
def read_imports() -> dict[str, set[str]]:
    """Return the modules of the product and of the tests, each with those that it imports or starts."""
    paths = {
        _name(path.relative_to(ROOT)): path
        for room in (*ROOMS, "tests")
        for path in sorted((ROOT / room).rglob("*.py"))
    }
    return {
        name: {it for it in _imported(ast.parse(path.read_text("utf-8"))) if it in paths} - {name}
        for name, path in paths.items()
    }


def _imported(tree: ast.Module) -> set[str]:
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)  # python -m MODULE
    return found


def _nearest(graph: Mapping[str, set[str]], module: str) -> set[str]:
    """The tests at the smallest number of imports from the module."""
    seen, edge = {module}, {module}
    while edge and not (tests := {it for it in edge if _is_test(it)}):
        edge = {name for name, imported in graph.items() if imported & edge} - seen
        seen |= edge
    return tests if edge else set()


def _order(test: str, graph: Mapping[str, set[str]]) -> tuple[bool, int, str]:
    """Fast rooms first, then the tests that import little: they look at few modules."""
    return test.split(".")[1] not in _FAST_ROOMS, len(graph[test]), test


def _is_named_after(test: str, module: str) -> bool:
    stem = test.rpartition(".")[2].removeprefix("test_")
    *_, room, name = ("", *module.split("."))
    return _is_test(test) and stem in {name, room, f"{room}_{name}"}


def _is_test(module: str) -> bool:
    return module.startswith("tests.") and module.rpartition(".")[2].startswith("test_")


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


if __name__ == "__main__":
    main()
