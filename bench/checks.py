"""The ratios of files and imports, each with its target."""

from collections.abc import Iterator
from functools import partial
from statistics import median

from bench.check import Check, ceiling, ratio
from bench.checks_services import SERVICES, UNTUNED
from bench.copies import Copy, copy_from, read_copy, select_file, select_plain
from bench.drawings import FPDF, fpdf, fpdf_wrapped, long_table, ours
from bench.files import csv_file, csv_job, naive_xml, tableau_job, xml_job
from bench.measure import Measure, cpu, in_turn, peak, run, wall
from bench.registers import Task, import_again
from bench.stage import DATABASES, Stage, tell
from schemas.profiles.platform import read_shipped
from tests.parts.packages import MissingPartError, provide

TIMES, TIMES_LONG = 5, 3
PEAK_TARGET, PEAK_TARGET_PDF, PEAK_TARGET_PDF_LONG = 120, 150, 200
"""In MB; a cell of a tableau is an object of the file, so that its memory grows with its lines."""
TABLEAU = 50
"""The long tableau has one line for so many electors: 20,000 lines."""


def p1(stage: Stage) -> Iterator[Check]:
    r"""The CSV job against `\copy`."""
    copy = _warm_copy(stage)
    job, copied, untuned = in_turn(
        [stage.job(csv_job, "PostgreSQL", stage.size), copy.run, copy._replace(planner={}).run],
        TIMES,
    )
    _require_same_size(job, copied)
    what = f"CSV job / \\copy, {stage.size:,}"
    yield ratio("P1", what, wall(job), wall(copied), target=1.4, unit="s")
    yield ratio("P1", f"{what}, {UNTUNED}", wall(job), wall(untuned), target=1.4, unit="s")


def p2(stage: Stage) -> Iterator[Check]:
    r"""The CSV file alone against `\copy`; the SELECT against the plain columns."""
    copy = _warm_copy(stage)
    plain_copy = read_copy(stage.task("PostgreSQL", stage.size), select_plain, null="~")
    file, copied, untuned, plain = in_turn(
        [
            stage.job(csv_file, "PostgreSQL", stage.size),
            copy.run,
            copy._replace(planner={}).run,
            plain_copy.run,
        ],
        TIMES,
    )
    _require_same_size(file, copied)
    what, select = (
        f"CSV file and hash / \\copy, {stage.size:,}",
        f"SELECT / plain columns, {stage.size:,}",
    )
    yield ratio("P2", what, wall(file), wall(copied), target=1.3, unit="s")
    yield ratio("P2", f"{what}, {UNTUNED}", wall(file), wall(untuned), target=1.3, unit="s")
    yield ratio("P2", select, wall(copied), wall(plain), target=1.3, unit="s")


def p3(stage: Stage) -> Iterator[Check]:
    """The XML job against the baseline."""
    size = stage.size // 10
    job, naive = in_turn([stage.job(it, "PostgreSQL", size) for it in (xml_job, naive_xml)], TIMES)
    if job[0].lines != naive[0].lines:
        raise RuntimeError("the two files have not the same electors")
    yield ratio(
        "P3", f"XML job / naive lxml, {size:,}", cpu(job), cpu(naive), target=0.6, unit="s cpu"
    )


def p4(stage: Stage) -> Iterator[Check]:
    """A drawn tableau against PHP's FPDF, where it may be installed."""
    task = Task("", stage.folder, stage.size // TABLEAU)
    try:
        for part in FPDF:
            provide(part)
    except MissingPartError as error:
        tell(f"P4 is left out: {error}")
        return
    drawn, core, wrapped = in_turn(
        [partial(run, it, task) for it in (ours, fpdf, fpdf_wrapped)], TIMES
    )
    yield ratio(
        "P4",
        f"tagged PDF / FPDF, core font, {task.size:,} lines",
        cpu(drawn),
        cpu(core),
        target=1.2,
        unit="s cpu",
    )
    what = f"tagged PDF / FPDF, embedded font, wrapped, {task.size:,} lines"
    yield ratio("P4", what, cpu(drawn), cpu(wrapped), target=1.2, unit="s cpu")


def p5(stage: Stage) -> Iterator[Check]:
    """A drawn tableau against ReportLab's LongTable."""
    task = Task("", stage.folder, stage.size // TABLEAU)
    drawn, table = in_turn([partial(run, it, task) for it in (ours, long_table)], TIMES_LONG)
    yield ratio(
        "P5",
        f"PDF / LongTable, {task.size:,} lines",
        cpu(drawn),
        cpu(table),
        target=0.2,
        unit="s cpu",
    )


def p6(stage: Stage) -> Iterator[Check]:
    """Memory of exports and of imports."""
    small = stage.size // 20
    for database in DATABASES:
        for name, job in {"CSV": csv_job, "XML": xml_job}.items():
            large_runs, small_runs = in_turn(
                [stage.job(job, database, it) for it in (stage.size, small)], TIMES_LONG
            )
            what = f"{name} peak, {database}, {stage.size:,}"
            yield ratio(
                "P6",
                f"{what} / {small:,}",
                peak(large_runs),
                peak(small_runs),
                target=1.5,
                unit="MB",
            )
            yield ceiling("P6", what, peak(large_runs), target=PEAK_TARGET, unit="MB")
        for size, target in (
            (stage.size // TABLEAU, PEAK_TARGET_PDF),
            (stage.size // 10, PEAK_TARGET_PDF_LONG),
        ):
            stage.move(database, size)
            (drawn,) = in_turn([stage.job(tableau_job, database, size)], TIMES_LONG)
            if drawn[0].lines != size:
                raise RuntimeError("the tableau has not all the mouvements")
            what = f"tagged PDF peak, {database}, {size:,} lines"
            yield ceiling("P6", what, peak(drawn), target=target, unit="MB")
        imported = stage.imports[database, stage.size]
        yield ceiling(
            "P6",
            f"import peak, {database}, {stage.size:,}",
            [imported.peak],
            target=PEAK_TARGET,
            unit="MB",
        )


def p12(stage: Stage) -> Iterator[Check]:
    r"""The first import, and the next one compared with it, against `\copy` of the first file into a plain table."""
    task = stage.task("PostgreSQL", stage.size)
    copied = [median(wall([copy_from(task) for _ in range(TIMES_LONG)]))]
    first, again = stage.imports["PostgreSQL", stage.size], run(import_again, task)
    yield ratio("P12", f"import / \\copy, {stage.size:,}", [first.wall], copied, target=6, unit="s")
    yield ratio(
        "P12",
        f"import, compared / \\copy, {stage.size:,}",
        [again.wall],
        copied,
        target=9,
        unit="s",
    )


CHECKS = {check.__name__.upper(): check for check in (p1, p2, p3, p4, p5, p6, p12, *SERVICES)}


def _warm_copy(stage: Stage) -> Copy:
    r"""Return `\copy` of the file's SELECT; the caches are warm afterwards."""
    copy = read_copy(stage.task("PostgreSQL", stage.size), select_file)
    copy.run()
    return copy


def _require_same_size(files: list[Measure], copied: list[Measure]) -> None:
    if files[0].size != copied[0].size + len(read_shipped().form.header):
        raise RuntimeError("the file is not what \\copy wrote, below its header")
