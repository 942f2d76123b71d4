"""`python -m bench.growth`: how the time of a job grows with its data, and that it does not grow with the past.

Each job is measured at four sizes, ×1, ×4, ×16 and ×64; the exponent is the slope of the regression line of the
logarithms: 1 for linear growth, 0 for none. A list, a tableau, an import, the comparison of two exports grow with
their lines; the claim of a row, the sweep and the first page do not depend on the commune's former files.
Small sizes include the fixed cost of a process, so that an exponent may be under 1.
"""

import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import click

from bench.files import csv_job, send_none, tableau_job, xml_job
from bench.measure import Measure, Stopwatch, run
from bench.registers import Task, import_again
from bench.report import align
from bench.screen import open_screen
from bench.stage import Stage, open_stage
from schemas.topology import MOST_TOKENS
from worker.db.engine import build_engine
from worker.housekeeping.housekeeping import sweep
from worker.work import queue as works
from worker.work.queue import WorkKind

STEPS = (1, 4, 16, 64)
LINEAR, FLAT = 1.05, 0.1
_TIMES, _QUICK_TIMES = 3, 50


def claim_row(task: Task) -> float:
    """Claim one of the waiting works, and roll back."""
    engine = build_engine(task.url)

    def claim() -> None:
        with engine.connect() as connection, connection.begin() as transaction:
            if not works.claim(connection, WorkKind.LISTE, "bench", lease_seconds=30):
                raise RuntimeError("no work was due")
            transaction.rollback()

    return _median(claim)


def sweep_rows(task: Task) -> float:
    """Sweep works without a token, of which there is none."""
    sweep_all = partial(sweep, build_engine(task.url), send_none, lambda _queue: MOST_TOKENS)
    sweep_all()
    return _median(sweep_all)


def _median(work: Callable[[], object], times: int = _QUICK_TIMES) -> float:
    seconds = []
    for _ in range(times):
        with Stopwatch() as watch:
            work()
        seconds.append(watch.wall)
    return statistics.median(seconds)


def _median_of(job: Callable[[], Measure]) -> float:
    return statistics.median(job().wall for _ in range(_TIMES))


def _grow(stage: Stage, electeurs: int, requests: int) -> Iterator[tuple[str, float, list[float]]]:
    lists: dict[str, list[float]] = defaultdict(list)
    for size in (electeurs * step for step in STEPS):
        lists["CSV job"].append(_median_of(stage.job(csv_job, "PostgreSQL", size)))
        lists["XML job"].append(_median_of(stage.job(xml_job, "PostgreSQL", size)))
        stage.move("PostgreSQL", size)
        lists["tableau job"].append(_median_of(stage.job(tableau_job, "PostgreSQL", size)))
        lists["import"].append(stage.imports["PostgreSQL", size].wall)
        lists["import, compared"].append(stage.job(import_again, "PostgreSQL", size)().wall)
    pasts: dict[str, list[float]] = defaultdict(list)
    for past in (requests * step for step in STEPS):
        task = stage.history("PostgreSQL", past)
        for what, job in {"claim": claim_row, "sweep": sweep_rows}.items():
            pasts[what].append(run(job, task))
        with open_screen(task) as screen:
            pasts["first page"].append(_median(partial(screen.time_page, "/listes")))
    for found, target in ((lists, LINEAR), (pasts, FLAT)):
        yield from ((what, target, seconds) for what, seconds in found.items())


def _exponent(seconds: Sequence[float]) -> float:
    """Return the slope of the logarithms, by least squares."""
    return statistics.linear_regression([*map(math.log, STEPS)], [*map(math.log, seconds)]).slope


@click.command()
@click.option(
    "--electeurs",
    default=2000,
    show_default=True,
    type=click.IntRange(100),
    help="Of the smallest list.",
)
@click.option(
    "--requests",
    default=500,
    show_default=True,
    type=click.IntRange(50),
    help="Of the shortest past.",
)
def main(electeurs: int, requests: int) -> None:
    """Measure each job at four sizes and print how it grows; 1 when one grows faster than it may."""
    rows = [("", *(f"×{step}" for step in STEPS), "exponent", "target", "")]
    with open_stage(electeurs) as stage:
        for what, target, seconds in _grow(stage, electeurs, requests):
            exponent = _exponent(seconds)
            verdict = "exceeded" if exponent > target else ""
            rows.append(
                (
                    what,
                    *(f"{it * 1000:,.1f}" for it in seconds),
                    f"{exponent:.2f}",
                    f"≤ {target:g}",
                    verdict,
                )
            )
    click.echo(f"{align(rows)}\nMilliseconds, medians.")
    sys.exit(1 if any("exceeded" in row for row in rows) else 0)


if __name__ == "__main__":
    main()
