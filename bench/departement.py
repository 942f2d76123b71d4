"""Jobs that make the register of many communes: a real département, or places of one size."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from bench.measure import Measure, Stopwatch
from bench.people import Sizes, iter_electeurs, ville_of, write_departement, write_lines
from bench.registers import Task, settle
from common.calendrier import jour_a_paris, now
from worker.db.engine import build_engine
from worker.registre.reference import iter_communes
from worker.registre.reu.importer import import_file

DEPARTEMENT = "59"
"""Nord, the département with the most electors."""

_LINES_PER_COMMUNE = 2839
"""In the real export of that size: 1,840,917 lines, 648 communes (647 since 2026)."""

Communes = Sequence[tuple[str, str]]
"""Code and name of each commune."""


def total_of(size: int) -> int:
    """Return the lines of a département beside a list of `size` electors: 1.84 million for a million."""
    return round(size * 1.84)


def communes_for(total: int) -> int:
    """Return how many communes share so many lines, at most all of them."""
    return min(max(2, total // _LINES_PER_COMMUNE), len(communes_of(None)))


def communes_of(number: int | None) -> Communes:
    """Return the first communes of the département, all of them for None."""
    return [(commune.code, commune.nom) for commune in iter_communes() if commune.departement == DEPARTEMENT][:number]


def import_departement(task: Task) -> Measure:
    """Import the three lists of communes as unequal as real ones; only the import is timed."""
    return _import(task, lambda path: write_departement(path, communes_of(task.communes), task.size))


def import_places(task: Task) -> Measure:
    """Import the principal list of communes that share the electors evenly."""
    electeurs = task.size // task.communes
    return _import(task, lambda path: _write_places(path, communes_of(task.communes), electeurs, jour_a_paris(now())))


def _write_places(path: Path, communes: Communes, electeurs: int, today: date) -> None:
    sizes = Sizes(electeurs, 0, 0)
    villes = [ville_of(code, nom) for code, nom in communes]
    write_lines(path, (electeur for ville in villes for electeur in iter_electeurs(ville, sizes, today)))


def _import(task: Task, write: Callable[[Path], None]) -> Measure:
    """Invent the REU export, and import it as the command does."""
    engine = build_engine(task.url)
    path = Path(task.folder) / f"departement-{task.size}.csv"
    write(path)
    with Stopwatch() as watch:
        summary = import_file(engine, path, imported_by="bench")
    path.unlink()
    measure = watch.measure(lines=summary.lines_kept)
    settle(engine)
    return measure
