"""`python -m tests.mutants`: exit code 0 when nearly every mutant is killed by its tests, 1 otherwise.

Each mutant is applied to a copy of the tree, never to the tree itself. Before that, all the named test files must pass
there: a test that fails without a mutant proves nothing.
"""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from tests.mutants.mutant import ROOT, Safeguard
from tests.mutants.safeguards import SAFEGUARDS
from tests.parts.packages import POSTGRESQL, RABBITMQ, provide_for_command

ENOUGH = 0.98
"""The share that must be killed."""

_GREEN, _RED, _NO_TESTS = 0, 1, 5
"""pytest's exit codes; any other code says that the tests did not run."""

_PATIENCE_SECONDS = 900

_OPTIONS = ("-q", "--no-header", "--tb=short", "-p", "no:cacheprovider")
_ENVIRONMENT = {"CI": "true", "PYTHONDONTWRITEBYTECODE": "1"}
"""A missing service fails its tests, and no compiled module of an altered file remains."""


class Fate(NamedTuple):
    """The result of a mutant."""

    mutant: Safeguard
    word: str
    seconds: float
    output: str
    """pytest's output, when the mutant was not killed."""


@click.command()
@click.option(
    "--only", multiple=True, help="Those whose place, tokens or tests have these words; repeated."
)
@click.option(
    "--parallel", default=2, show_default=True, type=click.IntRange(1), help="How many at once."
)
@click.option(
    "--trust", is_flag=True, help="Do not look first whether the tests are green without a mutant."
)
def main(only: tuple[str, ...], parallel: int, *, trust: bool) -> None:
    """Take safeguards away, one at a time, and print whether a test turns red."""
    provide_for_command(RABBITMQ, POSTGRESQL)
    mutants = [
        it for it in SAFEGUARDS if not only or any(words in f"{it} {it.tests}" for words in only)
    ]
    if not mutants:
        raise click.UsageError("no mutant has these words")
    began = time.monotonic()
    with _copies(parallel) as copies:
        if not trust:
            _require_green(mutants, copies, parallel)
        with ThreadPoolExecutor(parallel) as pool:
            fates = []
            for fate in pool.map(lambda mutant: _try(mutant, copies), mutants):
                click.echo(f"{fate.word:9} {fate.seconds:5.1f} s  {fate.mutant}")
                if fate.word != "killed":
                    click.echo(fate.output[-2000:])
                fates.append(fate)
    killed = sum(fate.word == "killed" for fate in fates)
    share = killed / len(fates)
    click.echo(
        f"{killed} of {len(fates)} mutants killed ({share:.1%}), {time.monotonic() - began:.0f} s"
    )
    sys.exit(0 if share >= ENOUGH else 1)


@contextmanager
def _copies(number: int) -> Iterator["queue.Queue[Path]"]:
    """This many copies of the tree, with their compiled modules."""
    copies: queue.Queue[Path] = queue.Queue()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for index in range(number):
            copies.put(_copy_tree(Path(folder) / str(index)))
        yield copies


def _copy_tree(folder: Path) -> Path:
    left_out = shutil.ignore_patterns(".git", ".venv", "var", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, folder, ignore=left_out, symlinks=True)
    return folder


def _require_green(
    mutants: Sequence[Safeguard], copies: "queue.Queue[Path]", parallel: int
) -> None:
    files = sorted({mutant.tests for mutant in mutants})
    shares = [share for index in range(parallel) if (share := files[index::parallel])]
    with ThreadPoolExecutor(parallel) as pool:
        red = [
            output
            for code, output in pool.map(lambda share: _test(copies, share), shares)
            if code != _GREEN
        ]
    if red:
        click.echo("\n".join(red))
        raise click.ClickException("without a mutant these test files must be green")
    click.echo(f"{len(files)} test files are green without a mutant")


def _try(mutant: Safeguard, copies: "queue.Queue[Path]") -> Fate:
    """Run the fast tests of the file, then the slow ones if the fast ones noticed nothing."""
    began = time.monotonic()
    code, output = _test(copies, ["-m", "not slow", mutant.tests], mutant)
    if code in {_GREEN, _NO_TESTS}:
        code, output = _test(copies, ["-m", "slow", mutant.tests], mutant)
    word = {_GREEN: "SURVIVED", _NO_TESTS: "SURVIVED", _RED: "killed"}.get(code, "NOT TRIED")
    return Fate(mutant, word, time.monotonic() - began, output)


def _test(
    copies: "queue.Queue[Path]", arguments: Sequence[str], mutant: Safeguard | None = None
) -> tuple[int, str]:
    """Run tests in one of the copies, altered or not; pytest's exit code and output."""
    copy = copies.get()
    try:
        with _altered(mutant, copy):
            run = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pytest",
                    *_OPTIONS,
                    *(["-x"] if mutant else []),
                    *arguments,
                ],
                cwd=copy,
                env=os.environ | _ENVIRONMENT | ({"TESTS_PATIENCE": "15"} if mutant else {}),
                capture_output=True,
                text=True,
                timeout=_PATIENCE_SECONDS,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return -1, f"not over within {_PATIENCE_SECONDS} s"
    finally:
        copies.put(copy)
    return run.returncode, run.stdout + run.stderr


@contextmanager
def _altered(mutant: Safeguard | None, copy: Path) -> Iterator[None]:
    if mutant is None:
        yield
        return
    path = copy / mutant.file
    whole, times = path.read_text("utf-8"), path.stat()
    path.write_text(mutant.mutate(whole), "utf-8")
    try:
        yield
    finally:
        path.write_text(whole, "utf-8")
        os.utime(
            path, ns=(times.st_atime_ns, times.st_mtime_ns)
        )  # so that the compiled module is valid again


if __name__ == "__main__":
    main()
