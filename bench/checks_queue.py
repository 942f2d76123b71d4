"""The ratios of the whole road, each with its target: a request, RabbitMQ, worker processes, a file."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from typing import NamedTuple

from bench.asking import Asked, ask_many, ask_one, every_liste, liste_principale, tableau
from bench.check import Check, percentile_99, ratio
from bench.crew import Crew
from bench.departement import communes_of
from bench.departement_query import read_departement
from bench.measure import Measure, in_turn
from bench.mouvements import ONE_IN
from bench.psql import copy_to
from bench.registers import Task
from bench.stage import Stage
from schemas.vocabulary import Format
from tests.parts.rabbitmq import RabbitNode
from worker.writers.csv_file import HEADER

TIMES = 3
UNTUNED = "server's settings"
PLACES, SHARE = 16, 50
"""P8: communes of one size, and what part of the largest list each of them is."""

VILLAGES, VILLAGE, REQUESTS = 60, 500, 300
"""P9: villages that are asked for in turn, so that no name of a file waits for its second; their electors."""

_WARM = 8
"""Requests that are not measured, for each process to have made some files."""

_MS = 1000


def p7(stage: Stage) -> Iterator[Check]:
    r"""All the lists of a département against `\copy`."""
    task = stage.departement()
    codes = _codes(task)
    statement = read_departement(task.url)
    copy = partial(copy_to, stage.folder / "psql.csv", task.url, statement.query)
    with RabbitNode() as node, Crew(node, task, processes=2) as crew:

        def make() -> Measure:
            measure = crew.make(ask_many(map(every_liste, codes)))
            crew.clear()
            return measure

        crew.make(ask_many(map(every_liste, codes[:_WARM])))
        crew.clear()
        made, copied, untuned = in_turn([make, partial(copy, statement.planner), partial(copy, {})], TIMES)
    require_lines(made, task.size)
    if made[0].size != copied[0].size + len(HEADER) * 3 * task.communes:
        raise RuntimeError("the files are not what \\copy wrote, below their headers")
    what = f"CSV of {task.communes} communes, two workers / \\copy, {task.size:,}"
    yield ratio("P7", what, _wall(made), _wall(copied), target=6, unit="s")
    yield ratio("P7", f"{what}, {UNTUNED}", _wall(made), _wall(untuned), target=6, unit="s")


def p8(stage: Stage) -> Iterator[Check]:
    """Two worker processes against one."""
    electeurs = stage.size // SHARE
    task = stage.places(PLACES, electeurs)
    with RabbitNode() as node:
        for kind in (_xml(electeurs, bulk=True), _pdf(electeurs // ONE_IN, bulk=True)):
            one, two = in_turn([partial(_make_all, node, task, kind.ask, processes) for processes in (1, 2)], TIMES)
            require_lines([*one, *two], PLACES * kind.lines)
            what = f"{kind.name}, throughput of two workers / one, {PLACES} × {kind.lines:,} lines"
            yield ratio("P8", what, _wall(one), _wall(two), target=1.6, unit="s", is_floor=True)


def p9(stage: Stage) -> Iterator[Check]:
    """A village's file, from its request on."""
    task = stage.places(VILLAGES, VILLAGE, "mouvements")
    with RabbitNode() as node, Crew(node, task, processes=1) as crew:
        for kind in (_csv(VILLAGE), _xml(VILLAGE), _pdf(VILLAGE)):
            codes = islice(cycle(_codes(task)), _WARM + REQUESTS)
            made = [crew.make(ask_one(kind.ask(code))) for code in codes][_WARM:]
            crew.clear()
            require_lines(made, kind.lines)
            samples = [wall * _MS for wall in _wall(made)]
            what = f"{kind.name} of {kind.lines} lines, {VILLAGE} electors, publish to ready, p99 of {REQUESTS}"
            yield percentile_99("P9", what, samples, target=100, unit="ms")


CHECKS_QUEUE: dict[str, Callable[[Stage], Iterator[Check]]] = {"P7": p7, "P8": p8, "P9": p9}


class _Kind(NamedTuple):
    """A kind of file, what asks for the one of a commune, and how many lines that has."""

    name: str
    ask: Callable[[str], Asked]
    lines: int


def _csv(electeurs: int, *, bulk: bool = False) -> _Kind:
    return _Kind("CSV", partial(liste_principale, format_=Format.CSV, bulk=bulk), electeurs)


def _xml(electeurs: int, *, bulk: bool = False) -> _Kind:
    return _Kind("XML", partial(liste_principale, format_=Format.XML, bulk=bulk), electeurs)


def _pdf(mouvements: int, *, bulk: bool = False) -> _Kind:
    return _Kind("PDF", partial(tableau, bulk=bulk), mouvements)


def require_lines(made: list[Measure], lines: int) -> None:
    """Refuse a measure of less work than it was meant to be."""
    if any(measure.lines != lines for measure in made):
        raise RuntimeError(f"not all of the {lines} lines are in the files, or left out as minors")


def _make_all(node: RabbitNode, task: Task, ask: Callable[[str], Asked], processes: int) -> Measure:
    codes = _codes(task)
    with Crew(node, task, processes) as crew:
        crew.make(ask_many(map(ask, codes[:_WARM])))
        measure = crew.make(ask_many(map(ask, codes)))
        crew.clear()
    return measure


def _codes(task: Task) -> list[str]:
    return [code for code, _nom in communes_of(task.communes)]


def _wall(measures: list[Measure]) -> list[float]:
    return [measure.wall for measure in measures]
