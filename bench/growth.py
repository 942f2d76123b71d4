"""`python -m bench.growth`: how the time of a job grows with its data, and that it does not grow with the past.

Each job is measured at four sizes, ×1, ×4, ×16 and ×64; the exponent is the slope of the regression line of the
logarithms: 1 for linear growth, 0 for none. A list, a tableau, an import, the comparison of two exports grow with
their lines; the claim of a row, the outbox, the sweep and the first page do not depend on the commune's former files.
Small sizes include the fixed cost of a process, so that an exponent may be under 1.
"""

import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
from sqlalchemy import select

from bench import child
from bench.measure import Measure, Stopwatch
from bench.registers import Task
from bench.screen import Screen
from bench.stage import Stage
from tests.parts.packages import POSTGRESQL, provide
from tests.parts.postgres import PostgresServer
from worker.db.engine import build_engine
from worker.doorbell import Doorbell
from worker.exports import records
from worker.exports.models import Export
from worker.housekeeping.housekeeping import sweep
from worker.work.models import WorkKind
from worker.work.queue import Claim, ClaimRule, claim

STEPS = (1, 4, 16, 64)
LINEAR, FLAT = 1.05, 0.1
_TIMES, _QUICK_TIMES = 3, 50


class Growth(NamedTuple):
    """A measured job: seconds at each size, and the highest allowed exponent."""

    what: str
    sizes: Sequence[int]
    seconds: Sequence[float]
    target: float

    @property
    def exponent(self) -> float:
        """The slope of the logarithms, by least squares."""
        return statistics.linear_regression(
            [math.log(size) for size in self.sizes], [math.log(seconds) for seconds in self.seconds]
        ).slope

    @property
    def is_met(self) -> bool:
        """Whether the growth is within the target."""
        return self.exponent <= self.target


def claim_row(task: Task) -> Measure:
    """Claim one of the waiting rows, and roll back."""
    engine = build_engine(task.url)
    with engine.connect() as connection:
        is_queued = Export.status == "queued"
        waiting = connection.execute(select(Export.id, Export.kind, Export.is_bulk).where(is_queued).limit(1)).one()

    def claim() -> None:
        with engine.connect() as connection, connection.begin() as transaction:
            if not records.claim_file(connection, Doorbell(*waiting), "bench", lease_seconds=30):
                raise RuntimeError("the row was not free")
            transaction.rollback()

    return _median(claim)


def claim_request(task: Task) -> Measure:
    """Claim a request that is not notified."""
    engine = build_engine(task.url)

    def claim_some() -> list[Claim]:
        with engine.begin() as connection:
            return claim(connection, [WorkKind.RECIPIENTS], "bench", lease_seconds=3600, limit=100, rule=ClaimRule())

    while claim_some():
        pass
    return _median(claim_some)


def sweep_rows(task: Task) -> Measure:
    """Sweep rows without a message, of which there is none."""
    engine = build_engine(task.url)
    sweep(engine, lambda _doorbells: None)
    return _median(lambda: sweep(engine, lambda _doorbells: None))


def _median(work: Callable[[], object]) -> Measure:
    seconds = []
    for _ in range(_QUICK_TIMES):
        with Stopwatch() as watch:
            work()
        seconds.append(watch.wall)
    return Measure(statistics.median(seconds))


def grow(stage: Stage, electeurs: int, requests: int) -> list[Growth]:
    """Measure all jobs, from so many electors and so many former requests on."""
    lists = [electeurs * step for step in STEPS]
    pasts = [requests * step for step in STEPS]
    samples: dict[str, list[float]] = {}

    def keep(what: str, run: Callable[[], Measure], times: int) -> None:
        samples.setdefault(what, []).append(statistics.median(run().wall for _ in range(times)))

    for size in lists:
        for job in ("csv job", "xml job"):
            keep(job, stage.job(job, "PostgreSQL", size), _TIMES)
        keep("tableau job", stage.tableau("PostgreSQL", size), _TIMES)
        samples.setdefault("import", []).append(stage.imports["PostgreSQL", size].wall)
        keep("import, compared", stage.job("import again", "PostgreSQL", size), 1)
    for past in pasts:
        task = stage.history("PostgreSQL", past)
        for job in ("claim", "outbox", "sweep"):
            keep(job, partial(child.run, job, task), 1)
        with Screen(task) as screen:
            screen.time_page("/listes")
            pages = [screen.time_page("/listes") / 1000 for _ in range(_QUICK_TIMES)]
        samples.setdefault("first page", []).append(statistics.median(pages))
    flat = ("claim", "outbox", "sweep", "first page")
    return [
        Growth(what, pasts if what in flat else lists, seconds, FLAT if what in flat else LINEAR)
        for what, seconds in samples.items()
    ]


def format_growth(found: Sequence[Growth]) -> str:
    """Return a line for each job: milliseconds at each size, the exponent, the target."""
    head = f"{'':18}" + "".join(f"{f'×{step}':>10}" for step in STEPS) + "   exponent   target"
    lines = [
        f"{it.what:18}"
        + "".join(f"{seconds * 1000:>10,.1f}" for seconds in it.seconds)
        + f"{it.exponent:>11.2f}   ≤ {it.target:g}{'' if it.is_met else '   exceeded'}"
        for it in found
    ]
    return "\n".join((head, *lines, "Milliseconds, medians."))


@click.command()
@click.option("--electeurs", default=2000, show_default=True, type=click.IntRange(100), help="Of the smallest list.")
@click.option("--requests", default=500, show_default=True, type=click.IntRange(50), help="Of the shortest past.")
def main(electeurs: int, requests: int) -> None:
    """Measure each job at four sizes and print how it grows; 1 when one grows faster than it may."""
    provide(POSTGRESQL)
    folder = Path("var")
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="growth-", dir=folder) as made, PostgresServer(fsync=True) as server:
        stage = Stage(server, Path(made).resolve(), electeurs, tell=lambda line: click.echo(line, err=True))
        found = grow(stage, electeurs, requests)
    click.echo(format_growth(found))
    sys.exit(0 if all(it.is_met for it in found) else 1)


if __name__ == "__main__":
    main()
