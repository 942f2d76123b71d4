"""The environment of the measures: a private PostgreSQL, a private RabbitMQ, registers of several sizes."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Literal

import click
import psycopg

from bench.history import add_history
from bench.measure import Measure, run
from bench.people import (
    PRINCIPALE,
    ReuRow,
    iter_electeurs,
    uneven_sizes,
    ville_of,
    write_lines,
    write_town,
)
from bench.registers import Task, add_mouvements, import_reu, prepare
from common.calendrier import jour_a_paris, now
from tests.parts.packages import POSTGRESQL, RABBITMQ, provide_for_command
from tests.parts.postgres import PostgresServer
from tests.parts.rabbitmq import RabbitNode
from worker.registre.reference import iter_communes

VAR = Path("var")

Database = Literal["PostgreSQL", "SQLite"]
DATABASES: tuple[Database, ...] = ("PostgreSQL", "SQLite")

_DEPARTEMENT = "59"  # Nord, which has the most electors
_ELECTEURS_PER_COMMUNE = 2839  # in a real export of 1,840,917 lines and 648 communes


class Stage:
    """Creates each register at its first use, and measures its import. All servers end with `ends`."""

    def __init__(self, ends: ExitStack, size: int) -> None:
        self.size = size
        self.folder = Path(
            ends.enter_context(TemporaryDirectory(prefix="bench-", dir=VAR))
        ).resolve()
        self.imports: dict[tuple[Database, int], Measure] = {}
        self._ends = ends
        self._server = ends.enter_context(PostgresServer(fsync=True))
        self._tasks: dict[tuple[Database, int], Task] = {}
        self._with_mouvements: set[tuple[Database, int]] = set()

    @cached_property
    def broker(self) -> RabbitNode:
        """The RabbitMQ, started at its first use."""
        return self._ends.enter_context(RabbitNode())

    @property
    def postgresql_version(self) -> str:
        """The version of the server."""
        with psycopg.connect(
            Task(self._server.url("postgres"), self.folder, 0).libpq_url
        ) as connection:
            return connection.info.parameter_status("server_version") or ""

    def task(self, database: Database, size: int) -> Task:
        """Return a register of LIBREVILLE with so many electors on the principal list."""
        if (database, size) not in self._tasks:
            task = self._new(database, size)._replace(reu=self.folder / f"libreville-{size}.csv")
            if not task.reu.exists():
                write_town(task.reu, size)
            run(prepare, task)
            self._keep(database, size, run(import_reu, task))
            self._tasks[database, size] = task
        return self._tasks[database, size]

    def job(
        self, job: Callable[[Task], Measure], database: Database, size: int
    ) -> Callable[[], Measure]:
        """Return a job on a register, which can be run several times."""
        return partial(run, job, self.task(database, size))

    def move(self, database: Database, size: int) -> None:
        """Give each elector of a register a mouvement."""
        if (database, size) not in self._with_mouvements:
            run(add_mouvements, self.task(database, size))
            self._with_mouvements.add((database, size))

    def departement(self) -> Task:
        """Return a register of a whole département, of three lists: 1.84 million electors for a million of `size`."""
        total = round(self.size * 1.84)
        villes = [ville_of(*it) for it in _communes(max(2, total // _ELECTEURS_PER_COMMUNE))]
        sizes = uneven_sizes(total, [it.code for it in villes])
        day = jour_a_paris(now())
        task, imported = self._import(
            (row for it in villes for row in iter_electeurs(it, sizes[it.code], day)), total
        )
        self._keep("PostgreSQL", total, imported)
        return task._replace(size=imported.lines, codes=tuple(sizes))

    def places(self, communes: int, electeurs: int, *, one_in: int) -> Task:
        """Return a register of the principal lists of communes of equal size; one elector in so many has moved."""
        villes = [ville_of(*it) for it in _communes(communes)]
        day = jour_a_paris(now())
        rows = (row for it in villes for row in iter_electeurs(it, {PRINCIPALE: electeurs}, day))
        task, _ = self._import(rows, communes * electeurs)
        run(partial(add_mouvements, one_in=one_in), task)
        return task._replace(codes=tuple(it.code for it in villes))

    def history(self, database: Database, requests: int) -> Task:
        """Return a database with so many past requests of a commune."""
        task = self._new(database, requests)
        run(add_history, task)
        return task

    def _new(self, database: Database, size: int) -> Task:
        folder = Path(mkdtemp(prefix=f"{database}-", dir=self.folder))
        url = (
            self._server.create_database()
            if database == "PostgreSQL"
            else f"sqlite:///{folder / 'register.sqlite3'}"
        )
        return Task(url, folder, size)

    def _import(self, rows: Iterable[ReuRow], size: int) -> tuple[Task, Measure]:
        task = self._new("PostgreSQL", size)
        task = task._replace(reu=task.folder / "reu.csv")
        write_lines(task.reu, rows)
        run(prepare, task)
        imported = run(import_reu, task)
        task.reu.unlink()
        return task, imported

    def _keep(self, database: Database, size: int, imported: Measure) -> None:
        self.imports[database, size] = imported
        tell(
            f"import of {imported.lines:,} lines, {database}: {imported.wall:.1f} s,"
            f" {imported.lines / imported.wall:,.0f} lines/s, peak {imported.peak:.0f} MB"
        )


def tell(line: str) -> None:
    """Print what is done now, beside the table."""
    click.echo(line, err=True)


@contextmanager
def open_stage(size: int) -> Iterator[Stage]:
    """Yield a stage, without the PREFECTURE_ settings of the caller."""
    for name in [it for it in os.environ if it.startswith("PREFECTURE_")]:
        del os.environ[name]
    provide_for_command(POSTGRESQL, RABBITMQ)
    VAR.mkdir(exist_ok=True)
    with ExitStack() as ends:
        yield Stage(ends, size)


def _communes(number: int) -> list[tuple[str, str]]:
    its = ((code, nom) for code, nom, departement in iter_communes() if departement == _DEPARTEMENT)
    return [*islice(its, number)]
