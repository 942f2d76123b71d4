"""Jobs that make the registers: an empty one, a REU export of any size, its import."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine, text

from bench.measure import Measure, Stopwatch
from bench.people import write_town
from worker.db.engine import build_engine
from worker.demo.libreville import LIBREVILLE
from worker.registre.communes import add_commune, load_reference
from worker.registre.reu.importer import import_file

_GONE_ONE_IN = 50


class Task(NamedTuple):
    """The input of a job: a database, a folder, the number of electors (of a past: requests) and of communes."""

    url: str
    folder: str
    size: int
    communes: int = 1

    @property
    def exports(self) -> Path:
        """The volume of the database, which has its mark: no other database may use it."""
        return Path(self.folder) / f"exports-{sha256(self.url.encode()).hexdigest()[:12]}"


def prepare(task: Task) -> Measure:
    """Create an empty register that knows LIBREVILLE."""
    from worker.db.migrate import migrate

    engine = build_engine(task.url)
    with Stopwatch() as watch:
        migrate(engine)
        with engine.begin() as connection:
            load_reference(connection)
            add_commune(connection, LIBREVILLE.code, LIBREVILLE.label)
    return watch.measure()


def generate(task: Task) -> Measure:
    """Write a REU export of the size, unless there is one."""
    with Stopwatch() as watch:
        if not reu_path(task).exists():
            write_town(reu_path(task), task.size)
    return watch.measure()


def import_reu(task: Task) -> Measure:
    """Import the export, as the command does."""
    engine = build_engine(task.url)
    with Stopwatch() as watch:
        summary = import_file(engine, reu_path(task), imported_by="bench")
    measure = watch.measure(lines=summary.lines_kept)
    settle(engine)
    return measure


def import_again(task: Task) -> Measure:
    """Import the next export, without one elector in fifty, compared with the one before."""
    lines = reu_path(task).read_bytes().splitlines(keepends=True)
    later = Path(task.folder) / f"reu-{task.size}-later.csv"
    later.write_bytes(b"".join(line for number, line in enumerate(lines) if number % _GONE_ONE_IN or not number))
    engine = build_engine(task.url)
    with Stopwatch() as watch:
        summary = import_file(engine, later, imported_by="bench")
    return watch.measure(lines=summary.lines_kept)


def settle(engine: Engine) -> None:
    """Vacuum and analyse now; PostgreSQL would do it later, during the measures."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))


def reu_path(task: Task) -> Path:
    """Return the path of the REU export of a register of that size."""
    return Path(task.folder) / f"reu-{task.size}.csv"
