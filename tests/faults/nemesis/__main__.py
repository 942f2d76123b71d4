"""`python -m tests.faults.nemesis`: exit code 0 when no seed broke anything, 1 otherwise."""

import logging
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

import click
import structlog

from tests.faults import table
from tests.faults.crossings import Mishap, crossings
from tests.faults.crossings import describe as describe_crossings
from tests.faults.nemesis.play import describe, draw, play_rounds, shrink
from tests.faults.register import FAULTS_TEMPLATE
from tests.faults.stage import Servers
from tests.parts.packages import POSTGRESQL, RABBITMQ, provide_for_command
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode

_LOGS = Path("var") / "nemesis"
"""The logs of failing seeds only."""


@click.command()
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--seed", "first", default=1, show_default=True, type=int, help="The first of them.")
@click.option("--requests", default=40, show_default=True, type=click.IntRange(8), help="How many, each sent twice.")
@click.option("--parallel", default=1, show_default=True, type=click.IntRange(1), help="Seeds at a time: they wait.")
@click.option("--crossings", "is_by_crossings", is_flag=True, help="Instead: something happens at each crossing.")
@click.option("--shrink", "is_shrunk", is_flag=True, help="Look for the shortest sequence that still fails.")
def main(seeds: int, first: int, requests: int, parallel: int, *, is_by_crossings: bool, is_shrunk: bool) -> None:
    """Play the seeds, print a line for each, and the sequence of those that broke something."""
    provide_for_command(RABBITMQ, POSTGRESQL)
    if is_by_crossings:
        sys.exit(_play_crossings())
    stages: SimpleQueue[Servers] = SimpleQueue()

    def play_seed(seed: int) -> bool:
        rounds, servers = draw(seed), stages.get()
        try:
            with tempfile.TemporaryDirectory(prefix="nemesis-") as folder:
                whole = Path(folder) / "whole"
                verdict = play_rounds(rounds, seed, servers, whole, requests=requests)
                click.echo(table.row(verdict))
                if verdict.broken:
                    _keep_logs(whole, seed)
                    if is_shrunk:
                        rounds = shrink(rounds, seed, servers, Path(folder), requests=requests)
                    click.echo(f"  seed {seed}: {verdict.trouble}\n  {describe(rounds)}")
        finally:
            stages.put(servers)
        return bool(verdict.broken)

    with ExitStack() as parts, ThreadPoolExecutor(parallel) as players:
        for _ in range(parallel):
            broker, database = parts.enter_context(RabbitNode()), parts.enter_context(PostgresServer())
            database.drop(database.create_database(FAULTS_TEMPLATE))  # migrations work in one thread only
            stages.put(Servers(broker, database))
        click.echo(table.headings())
        failed = sum(players.map(play_seed, range(first, first + seeds)))
    click.echo(f"{failed} of {seeds} seeds broke something")
    sys.exit(1 if failed else 0)


def _keep_logs(folder: Path, seed: int) -> None:
    kept = _LOGS / str(seed)
    kept.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.log"):
        shutil.copy(path, kept)


def _play_crossings() -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="crossings-") as folder, crossings(Path(folder)) as road:
        played = [road.play(at, mishap) for at in range(1, len(road.names) + 1) for mishap in Mishap]
        click.echo(describe_crossings(played, road.names))
    return 1 if any(it.wrong for it in played) else 0


if __name__ == "__main__":
    main()
