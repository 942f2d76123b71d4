"""The environment of the measures: a private PostgreSQL, registers of several sizes, a folder on the disk."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from sqlalchemy import text

from bench import child
from bench.departement import communes_for, total_of
from bench.measure import Measure
from bench.registers import Task
from tests.parts.postgres import PostgresServer
from worker.db.engine import build_engine

Database = Literal["PostgreSQL", "SQLite"]


class Stage:
    """Creates each register at its first use, and measures its import."""

    def __init__(self, server: PostgresServer, folder: Path, size: int, tell: Callable[[str], None]) -> None:
        self.size = size
        self.folder = folder
        self.tell = tell
        self.imports: dict[tuple[Database, int], Measure] = {}
        self._server = server
        self._tasks: dict[tuple[Database, int], Task] = {}
        self._with_mouvements: set[Task] = set()

    @property
    def postgresql_version(self) -> str:
        """The version of the server."""
        engine = build_engine(self._server.url("postgres"))
        with engine.connect() as connection:
            answer = connection.scalar(text("SHOW server_version"))
        engine.dispose()
        return str(answer)

    def task(self, database: Database, size: int) -> Task:
        """Return a register with so many electors on the principal list."""
        if (database, size) not in self._tasks:
            self._tasks[database, size] = self._make(database, size)
        return self._tasks[database, size]

    def job(self, name: str, database: Database, size: int) -> Callable[[], Measure]:
        """Return a job on a register, which can be run several times."""
        return partial(child.run, name, self.task(database, size))

    def drawing(self, name: str, size: int) -> Callable[[], Measure]:
        """Return a job that draws so many lines, without a register."""
        return partial(child.run, name, Task("", str(self.folder), size))

    def tableau(self, database: Database, size: int) -> Callable[[], Measure]:
        """Return the job of a tableau of so many mouvements; its register has as many electors."""
        task = self.task(database, size)
        if task not in self._with_mouvements:
            child.run("mouvements", task)
            self._with_mouvements.add(task)
        return partial(child.run, "tableau job", task)

    def departement(self) -> Task:
        """Return a register of the three lists of a whole département, in proportion to `size`."""
        size = total_of(self.size)
        task = self._prepare(Task(self._server.create_database(), str(self.folder), size, communes_for(size)))
        self._keep("PostgreSQL", child.run("departement", task), size)
        return task

    def places(self, communes: int, electeurs: int, moved: str = "few mouvements") -> Task:
        """Return a register of communes of equal size, on the principal list; `moved`: the job that moves electors."""
        size = communes * electeurs
        task = self._prepare(Task(self._server.create_database(), str(self.folder), size, communes))
        for job in ("places", moved):
            child.run(job, task)
        return task

    def untold(self, requests: int, communes: int) -> Task:
        """Return a database with requests without notifications, of so many communes."""
        task = self._prepare(Task(self._server.create_database(), str(self.folder), requests, communes))
        child.run("untold", task)
        return task

    def history(self, database: Database, requests: int | None = None) -> Task:
        """Return a database with the past of a commune: by default, one request per hundred electors of `size`."""
        path = self.folder / "history.sqlite3"
        url = self._server.create_database() if database == "PostgreSQL" else f"sqlite:///{path}"
        task = Task(url, str(self.folder), requests or self.size // 100)
        child.run("history", task)
        return task

    def _make(self, database: Database, size: int) -> Task:
        path = self.folder / f"register-{size}.sqlite3"
        url = self._server.create_database() if database == "PostgreSQL" else f"sqlite:///{path}"
        task = Task(url, str(self.folder), size)
        self._prepare(task)
        child.run("generate", task)
        self._keep(database, child.run("import", task), size)
        return task

    def _prepare(self, task: Task) -> Task:
        child.run("prepare", task)
        return task

    def _keep(self, database: Database, imported: Measure, size: int) -> None:
        self.imports[database, size] = imported
        self.tell(
            f"import of {imported.lines:,} lines, {database}: {imported.wall:.1f} s,"
            f" {imported.lines / imported.wall:,.0f} lines/s, peak {imported.peak:.0f} MB"
        )
