"""Jobs that make the registers: an empty one, a REU export of any size, its import."""

from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine, text

from bench.measure import Measure, Stopwatch
from worker.db.engine import build_engine
from worker.demo import LIBREVILLE, write_reu
from worker.registre.communes import add_commune, load_reference
from worker.registre.reu.importer import import_file


class Task(NamedTuple):
    """What a job is given: a database, a folder, how many electors (of a past: requests), of how many communes."""

    url: str
    folder: str
    size: int
    communes: int = 1


def prepare(task: Task) -> Measure:
    """An empty register that knows LIBREVILLE."""
    from worker.db.migrate import migrate

    engine = build_engine(task.url)
    with Stopwatch() as watch:
        migrate(engine)
        with engine.begin() as connection:
            load_reference(connection)
            add_commune(connection, LIBREVILLE.code, LIBREVILLE.label)
    return watch.measure()


def generate(task: Task) -> Measure:
    """A REU export of the size, unless there is one."""
    with Stopwatch() as watch:
        if not _reu(task).exists():
            write_reu(_reu(task), size=task.size)
    return watch.measure()


def import_reu(task: Task) -> Measure:
    """The import, as the command does it."""
    engine = build_engine(task.url)
    with Stopwatch() as watch:
        summary = import_file(engine, _reu(task), imported_by="bench")
    measure = watch.measure(lines=summary.lines_kept)
    settle(engine)
    return measure


def settle(engine: Engine) -> None:
    """PostgreSQL would do this by itself, later, during the measures."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))


def _reu(task: Task) -> Path:
    return Path(task.folder) / f"reu-{task.size}.csv"
