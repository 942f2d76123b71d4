"""The ratios of files and imports, each with its target."""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import NamedTuple

from bench import child
from bench.baselines_pdf import FPDF
from bench.check import Check, ceiling, ratio
from bench.checks_queue import CHECKS_QUEUE, UNTUNED
from bench.checks_screen import CHECKS_SCREEN
from bench.measure import Measure, in_turn
from bench.psql import copy_from, copy_to
from bench.queries import read_statements
from bench.registers import reu_path
from bench.stage import Database, Stage
from tests.parts.packages import MissingPartError, provide
from worker.writers.csv_file import HEADER

TIMES, TIMES_LONG = 5, 3
PEAK_TARGET, PEAK_TARGET_PDF, PEAK_TARGET_PDF_LONG = 120, 150, 200
"""In MB; a cell of a tableau is an object of the file, so that its memory grows with its lines."""
TABLEAU = 50
"""The long tableau has one line for so many electors: 20,000 lines."""
Task = Callable[[], Measure]
DATABASES: tuple[Database, ...] = ("PostgreSQL", "SQLite")


def p1(stage: Stage) -> Iterator[Check]:
    r"""The CSV job against `\copy`."""
    copies = _copies(stage)
    job, copied, untuned = in_turn(
        [stage.job("csv job", "PostgreSQL", stage.size), copies.file, copies.file_untuned], TIMES
    )
    _same_size(job, copied)
    what = f"CSV job / \\copy, {stage.size:,}"
    yield ratio("P1", what, _wall(job), _wall(copied), target=1.25, unit="s")
    yield ratio("P1", f"{what}, {UNTUNED}", _wall(job), _wall(untuned), target=1.25, unit="s")


def p2(stage: Stage) -> Iterator[Check]:
    r"""The CSV file alone against `\copy`; the SELECT against the plain columns."""
    copies = _copies(stage)
    file, copied, untuned, plain = in_turn(
        [stage.job("csv file", "PostgreSQL", stage.size), copies.file, copies.file_untuned, copies.plain], TIMES
    )
    _same_size(file, copied)
    what, select = f"CSV file and hash / \\copy, {stage.size:,}", f"SELECT / plain columns, {stage.size:,}"
    yield ratio("P2", what, _wall(file), _wall(copied), target=1.05, unit="s")
    yield ratio("P2", f"{what}, {UNTUNED}", _wall(file), _wall(untuned), target=1.05, unit="s")
    yield ratio("P2", select, _wall(copied), _wall(plain), target=1.3, unit="s")


def p3(stage: Stage) -> Iterator[Check]:
    """The XML job against the baseline."""
    size = stage.size // 10
    job, naive = in_turn([stage.job(name, "PostgreSQL", size) for name in ("xml job", "naive xml")], TIMES)
    if job[0].lines != naive[0].lines:
        raise RuntimeError("the two files have not the same electors")
    yield ratio("P3", f"XML job / naive lxml, {size:,}", _cpu(job), _cpu(naive), target=0.5, unit="s cpu")


def p4(stage: Stage) -> Iterator[Check]:
    """A drawn tableau against PHP's FPDF, where it may be installed."""
    size = stage.size // TABLEAU
    try:
        for part in FPDF:
            provide(part)
    except MissingPartError as error:
        stage.tell(f"P4 is left out: {error}")
        return
    names = ("pdf", "fpdf", "fpdf wrapped")
    ours, fpdf, wrapped = in_turn([stage.drawing(name, size) for name in names], TIMES)
    yield ratio("P4", f"tagged PDF / FPDF, core font, {size:,} lines", _cpu(ours), _cpu(fpdf), target=1.2, unit="s cpu")
    what = f"tagged PDF / FPDF, embedded font, wrapped, {size:,} lines"
    yield ratio("P4", what, _cpu(ours), _cpu(wrapped), target=1.2, unit="s cpu")


def p5(stage: Stage) -> Iterator[Check]:
    """A drawn tableau against ReportLab's LongTable."""
    size = stage.size // TABLEAU
    ours, table = in_turn([stage.drawing(name, size) for name in ("pdf", "long table")], TIMES_LONG)
    yield ratio("P5", f"PDF / LongTable, {size:,} lines", _cpu(ours), _cpu(table), target=0.2, unit="s cpu")


def p6(stage: Stage) -> Iterator[Check]:
    """Memory of exports and of imports."""
    small = stage.size // 20
    for database in DATABASES:
        for name in ("csv job", "xml job"):
            large_runs, small_runs = in_turn(
                [stage.job(name, database, size) for size in (stage.size, small)], TIMES_LONG
            )
            what = f"{name[:3].upper()} peak, {database}, {stage.size:,}"
            yield ratio("P6", f"{what} / {small:,}", _peak(large_runs), _peak(small_runs), target=1.5, unit="MB")
            yield ceiling("P6", what, _peak(large_runs), target=PEAK_TARGET, unit="MB")
        for size, target in ((stage.size // TABLEAU, PEAK_TARGET_PDF), (stage.size // 10, PEAK_TARGET_PDF_LONG)):
            (drawn,) = in_turn([stage.tableau(database, size)], TIMES_LONG)
            if drawn[0].lines != size:
                raise RuntimeError("the tableau has not all the mouvements")
            what = f"tagged PDF peak, {database}, {size:,} lines"
            yield ceiling("P6", what, _peak(drawn), target=target, unit="MB")
        imported = stage.imports[database, stage.size]
        yield ceiling("P6", f"import peak, {database}, {stage.size:,}", [imported.peak], target=PEAK_TARGET, unit="MB")


def p12(stage: Stage) -> Iterator[Check]:
    r"""The first import, and the next one compared with it, against `\copy` of the first file into a plain table."""
    size = stage.size
    task = stage.task("PostgreSQL", size)
    with reu_path(task).open(encoding="utf-8") as file:
        columns = file.readline().count(";") + 1
    copied = [copy_from(reu_path(task), task.url, columns) for _ in range(TIMES_LONG)]
    wall = [median(_wall(copied))]
    imported = stage.imports["PostgreSQL", size]
    yield ratio("P12", f"import / \\copy, {size:,}", [imported.wall], wall, target=3, unit="s")
    again = child.run("import again", task)
    yield ratio("P12", f"import, compared / \\copy, {size:,}", [again.wall], wall, target=3, unit="s")


CHECKS: dict[str, Callable[[Stage], Iterator[Check]]] = {"P1": p1, "P2": p2, "P3": p3, "P4": p4, "P5": p5, "P6": p6}
CHECKS["P12"] = p12
CHECKS |= CHECKS_QUEUE | CHECKS_SCREEN


class _Copies(NamedTuple):
    file: Task
    file_untuned: Task
    plain: Task


def _copies(stage: Stage) -> _Copies:
    r"""Return `\copy` of the file's SELECT, with and without a snapshot's settings, and of the plain columns."""
    url = stage.task("PostgreSQL", stage.size).url
    statements = read_statements(url)
    copy = partial(copy_to, stage.folder / "psql.csv", url)
    copies = _Copies(
        file=partial(copy, statements.file, statements.planner),
        file_untuned=partial(copy, statements.file, {}),
        plain=partial(copy, statements.plain, statements.planner, null="~"),
    )
    copies.file()  # the caches are warm afterwards
    return copies


def _same_size(files: list[Measure], copied: list[Measure]) -> None:
    if files[0].size != copied[0].size + len(HEADER):
        raise RuntimeError("the file is not what \\copy wrote, below its header")


def _wall(measures: list[Measure]) -> list[float]:
    return [measure.wall for measure in measures]


def _cpu(measures: list[Measure]) -> list[float]:
    return [measure.cpu for measure in measures]


def _peak(measures: list[Measure]) -> list[float]:
    return [measure.peak for measure in measures]
