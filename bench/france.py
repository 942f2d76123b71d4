"""`python -m bench.france`: a tenth of the country for real, and from it what the whole needs.

The three lists of 3,500 communes are imported, then asked for all at once, by a batch that two worker processes make,
while a clerk asks for one file after the other, which a process of its own makes. What each part used of the processor
is linear in electors (`python -m bench.growth` says how well that holds), so the country is ten times that; what a
machine of so many cores can feed follows from the parts' shares. Not in it: the network between hosts, and mails.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import NamedTuple

import click
from sqlalchemy import text

from bench import child
from bench.asking import Order, ask_many, ask_one, every_liste, liste_principale
from bench.check import percentile_99
from bench.crew import Crew
from bench.departement import communes_of_the_country
from bench.registers import Task
from schemas.topology import (
    QUEUE_LISTES,
    QUEUE_LISTES_BULK,
    QUEUE_REQUESTS,
    QUEUE_REQUESTS_BULK,
)
from schemas.vocabulary import Format
from tests.parts.packages import POSTGRESQL, RABBITMQ, provide
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode
from worker.db.engine import build_engine

ELECTEURS, COMMUNES = 49_000_000, 35_000
"""Lines of all lists, and communes, about: INSEE, electors on the lists in 2024; Code officiel géographique."""

PROCESSES = 2
NIGHT_HOURS = 8
DATABASE_CORES, BROKER_CORES = 16, 1
"""Of one PostgreSQL server; of RabbitMQ, where a queue is one process."""

_HOUR, _GIGA = 3600, 1e9
_VILLAGES = 50
"""Communes that the clerk asks for in turn."""


class Sample(NamedTuple):
    """What was measured: electors and files; seconds of wall and of each part's processor; bytes; waits in ms."""

    electeurs: int
    files: int
    import_wall: float
    import_client: float
    import_server: float
    wall: float
    workers: float
    server: float
    broker: float
    exports_bytes: int
    register_bytes: int
    waits: list[float]


def measure(electeurs: int, communes: int, folder: Path) -> Sample:
    """Import so many electors and make all their files."""
    with PostgresServer(fsync=True) as server, RabbitNode() as node:
        task = Task(server.create_database(), str(folder), electeurs, communes)
        child.run("prepare", task)
        before = server.cpu_seconds
        imported = child.run("country", task)
        import_server = server.cpu_seconds - before
        engine = build_engine(task.url)
        with engine.connect() as connection:
            register = connection.scalar(text("SELECT pg_database_size(current_database())"))
        engine.dispose()
        codes = [code for code, _nom in communes_of_the_country(communes)]
        bulk, single = (QUEUE_REQUESTS_BULK, QUEUE_LISTES_BULK), (QUEUE_REQUESTS, QUEUE_LISTES)
        with Crew(node, task, PROCESSES, queues=bulk, apart=single) as crew, ThreadPoolExecutor(1) as clerk:
            used = crew.cpu_seconds, server.cpu_seconds, node.cpu_seconds
            is_over = Event()
            asked = clerk.submit(crew.make_each, _ask_until(is_over, codes))
            try:
                made = crew.make(order := ask_many(map(every_liste, codes)))
            finally:
                is_over.set()
            singles = asked.result()
            now = crew.cpu_seconds, server.cpu_seconds, node.cpu_seconds
            if made.lines != electeurs:
                raise RuntimeError(f"{made.lines:,} of {electeurs:,} lines are in the files, or left out as minors")
            crew.clear()
    workers, database, broker = (after - first for after, first in zip(now, used, strict=True))
    return Sample(
        electeurs,
        order.files + len(singles),
        imported.wall,
        imported.cpu,
        import_server,
        made.wall,
        workers,
        database,
        broker,
        made.size,
        int(register or 0),
        [single.wall * 1000 for single in singles],
    )


def _ask_until(is_over: Event, codes: list[str]) -> Iterator[Order]:
    smallest = codes[:: max(1, len(codes) // _VILLAGES)]
    for code in cycle(smallest):
        if is_over.wait(0.5):
            return
        yield ask_one(liste_principale(code, Format.CSV, bulk=False))


def format_sample(sample: Sample) -> Iterator[str]:
    """What was measured, line by line."""
    cores = len(os.sched_getaffinity(0))
    yield f"{sample.electeurs:,} electors, {sample.files:,} files, {cores} cores"
    yield (
        f"import: {sample.import_wall:.0f} s, {sample.electeurs / sample.import_wall:,.0f} lines/s;"
        f" CPU {sample.import_client:.0f} s ours, {sample.import_server:.0f} s PostgreSQL"
    )
    yield (
        f"files: {sample.wall:.0f} s, {sample.files / sample.wall:.1f} files/s;"
        f" CPU {sample.workers:.0f} s workers, {sample.server:.0f} s PostgreSQL, {sample.broker:.0f} s RabbitMQ"
    )
    yield f"disk: register {sample.register_bytes / _GIGA:.2f} GB, files {sample.exports_bytes / _GIGA:.2f} GB"
    waits = percentile_99("", "", sample.waits, target=1, unit="ms")
    single = f"median {waits.left:.0f} ms, 99 of 100 within {waits.value:.0f} ms"
    yield f"meanwhile, {len(sample.waits)} single files: {single}"


def format_country(sample: Sample) -> Iterator[str]:
    """What the whole country needs, and what is full first, line by line."""
    factor = ELECTEURS / sample.electeurs
    imports, files = sample.import_client + sample.import_server, sample.workers + sample.server + sample.broker
    yield f"the country, {ELECTEURS:,} electors in {COMMUNES:,} communes: ×{factor:.1f}"
    yield f"import of every list: {imports * factor / _HOUR:.1f} core-hours"
    yield f"every list as CSV: {files * factor / _HOUR:.1f} core-hours, of which"
    for name, seconds in (("workers", sample.workers), ("PostgreSQL", sample.server), ("RabbitMQ", sample.broker)):
        hours = seconds * factor / _HOUR
        night = f"{hours / NIGHT_HOURS:.2f} cores for a night of {NIGHT_HOURS} h"
        yield f"  {name}: {hours:.2f} ({seconds / files:.0%}), {night}"
    for name, cores, seconds in (
        ("PostgreSQL", DATABASE_CORES, sample.server),
        ("RabbitMQ", BROKER_CORES, sample.broker),
    ):
        fed = cores * sample.workers / seconds
        rate = cores * sample.files / seconds
        yield (
            f"{name} with {cores} core{'s' * (cores > 1)} is full at {fed:.0f} cores of workers:"
            f" {rate:,.0f} files/s, the country in {COMMUNES * 3 / rate / 60:.0f} min"
        )
    yield (
        f"disk: register {sample.register_bytes * factor / _GIGA:.0f} GB for each version kept,"
        f" files {sample.exports_bytes * factor / _GIGA:.1f} GB for each time all are made"
    )


@click.command()
@click.option(
    "--electeurs", default=ELECTEURS // 10, show_default=True, type=click.IntRange(1000), help="Electors made."
)
@click.option(
    "--communes", default=COMMUNES // 10, show_default=True, type=click.IntRange(2), help="Of how many communes."
)
def main(electeurs: int, communes: int) -> None:
    """Make the files of a part of the country, and print what the whole needs: seven minutes for a tenth."""
    for part in (POSTGRESQL, RABBITMQ):
        provide(part)
    folder = Path("var")
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="france-", dir=folder) as made:
        sample = measure(electeurs, communes, Path(made).resolve())
    for line in (*format_sample(sample), "", *format_country(sample)):
        click.echo(line)
    sys.exit(0)


if __name__ == "__main__":
    main()
