"""`python -m tests.oracle`: thousands of histories, or a whole département, on SQLite databases of their own."""

import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random

import click
import structlog

from common.french import format_number
from tests.oracle.answers import Answer, Tableau
from tests.oracle.comparison import Difference, find_differences, shorten
from tests.oracle.computation import Oracle
from tests.oracle.departement import measure
from tests.oracle.generator import build_history
from tests.oracle.history import History
from tests.oracle.product import Product, open_on_sqlite
from tests.parts.town import prepare_migrated
from worker.db.engine import build_engine

_AT_ONCE = 50


@click.group()
def main() -> None:
    """The product, computed a second time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@main.command()
@click.option("--count", default=10_000, help="How many.", show_default=True)
@click.option("--seed", default=1, help="Of the first one; the next ones count on.", show_default=True)
@click.option("--parallel", default=os.cpu_count() or 1, help="Processes.", show_default=True)
def histories(count: int, seed: int, parallel: int) -> None:
    """Random histories, in the product and by the oracle: where they differ, the shortest history that shows it."""
    started = time.monotonic()
    figures: Counter[str] = Counter()
    failing: list[int] = []
    seeds = range(seed, seed + count)
    parts = [seeds[place : place + _AT_ONCE] for place in range(0, count, _AT_ONCE)]
    with ProcessPoolExecutor(parallel) as pool:
        for found, failing in pool.map(_compare, parts):
            figures += found
            if failing:
                pool.shutdown(cancel_futures=True)
                break
    click.echo(f"{format_number(figures.total())} answers of histories {seeds[0]} to {seeds[-1]}, ", nl=False)
    click.echo(f"{time.monotonic() - started:.0f} s, {parallel} processes")
    for name, number in sorted(figures.items()):
        click.echo(f"  {format_number(number):>9}  {name}")
    if failing:
        _show(failing[0])
        sys.exit(1)
    click.echo("No difference.")


@main.command()
@click.option("--electeurs", default=100_000, help="How many.", show_default=True)
@click.option("--seed", default=1, help="Of the names and numbers.", show_default=True)
def departement(electeurs: int, seed: int) -> None:
    """A département where nobody is wrong: how many electors in 1,000 are accused."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/oracle.sqlite3"
        prepare_migrated(url)
        engine = build_engine(url)
        alarms = measure(engine, Path(folder), electeurs, seed)
        engine.dispose()
    for name, number in alarms.codes.most_common():
        click.echo(f"  {format_number(number):>9}  {name}")
    accused = f"{format_number(alarms.wrongly)} of {format_number(alarms.electors)} electors accused wrongly"
    click.echo(f"{accused}: {alarms.in_a_thousand:.3f} in 1,000")
    sys.exit(alarms.in_a_thousand >= 1)


def _compare(seeds: Sequence[int]) -> tuple[Counter[str], list[int]]:
    """Counts of the product's answers, and the seeds whose histories differ; runs in a process of its own."""
    main.callback()  # type: ignore[misc]
    figures: Counter[str] = Counter()
    found = []
    with ExitStack() as stack:
        product = _open(stack)
        for seed in seeds:
            history = build_history(Random(seed))
            answers = product.play(history)
            figures.update(map(_name, answers))
            if find_differences(history, answers, Oracle()):
                found.append(seed)
    return figures, found


def _open(stack: ExitStack) -> Product:
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    return stack.enter_context(open_on_sqlite(Path(folder)))


def _name(answer: Answer) -> str:
    if isinstance(answer, Tableau):
        state = "not covered" if answer.gaps else "provisional" if answer.is_provisional else "ready"
        return f"Tableau, {state}, {'with lines' if answer.lines else 'empty'}"
    return type(answer).__name__ if answer is not None else "(meetings, polls)"


def _show(seed: int) -> None:
    with ExitStack() as stack:
        product = _open(stack)

        def differ(history: History) -> list[Difference]:
            return find_differences(history, product.play(history), Oracle())

        history = shorten(build_history(Random(seed)), lambda it: bool(differ(it)))
        click.echo(f"History {seed}, as short as it can be:")
        for step in history.steps:
            click.echo(f"  {step}")
        for difference in differ(history):
            click.echo(f"→ {difference}")


if __name__ == "__main__":
    main()
