"""The ratios of the whole path, each with its target: a request, RabbitMQ, worker processes, a file."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from typing import NamedTuple

from sqlalchemy import insert

from bench.asking import BENCH, Asked, ask_many, ask_one, every_liste, liste_principale, tableau
from bench.check import Check, ceiling, floor, percentile_99, ratio
from bench.crew import Crew, Notifiers, rest, tell
from bench.departement import communes_of
from bench.departement_query import read_departement
from bench.measure import Measure, in_turn
from bench.mouvements import ONE_IN
from bench.psql import copy_to
from bench.registers import Task
from bench.stage import Stage
from schemas.topology import QUEUE_REQUESTS, QUEUE_REQUESTS_BULK
from schemas.vocabulary import Format
from tests.parts.rabbitmq import RabbitNode
from worker.access.models import Agent
from worker.db.engine import build_engine
from worker.writers.csv_file import HEADER

TIMES = 3
UNTUNED = "server's settings"
PLACES, SHARE = 16, 50
"""P8: communes of one size, and the divisor of the largest list that gives the electors of each."""

VILLAGES, VILLAGE, REQUESTS = 60, 500, 300
"""P9: villages that alternate, so that no file name waits for its second; their electors; requests."""

COMMUNES, TOLD = 1000, 1000
"""P11: communes of one elector with one request each; requests that wait for their notifications."""

_WARM = 8
"""Requests before the measure, so that each process has made some files."""

_MS = 1000


def p7(stage: Stage) -> Iterator[Check]:
    r"""All lists of a département against `\copy`."""
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
    yield ratio("P7", what, _wall(made), _wall(copied), target=3, unit="s")
    yield ratio("P7", f"{what}, {UNTUNED}", _wall(made), _wall(untuned), target=3, unit="s")


def p8(stage: Stage) -> Iterator[Check]:
    """Two worker processes against one."""
    electeurs = stage.size // SHARE
    task = stage.places(PLACES, electeurs)
    with RabbitNode() as node:
        for kind in (_xml(electeurs, bulk=True), _pdf(electeurs // ONE_IN, bulk=True)):
            one, two = in_turn([partial(_make_all, node, task, kind.ask, processes) for processes in (1, 2)], TIMES)
            require_lines([*one, *two], PLACES * kind.lines)
            what = f"{kind.name}, throughput of two workers / one, {PLACES} × {kind.lines:,} lines"
            yield ratio("P8", what, _wall(one), _wall(two), target=1.7, unit="s", is_floor=True)


def p9(stage: Stage) -> Iterator[Check]:
    """The file of a village, from its request on."""
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


def p10(stage: Stage) -> Iterator[Check]:
    """The list of a village, from its request until the clerk's mail is delivered."""
    task = stage.places(VILLAGES, VILLAGE)
    engine = build_engine(task.url)
    with engine.begin() as connection:
        agents = [
            {"name": BENCH, "code_commune": code, "email": f"mairie-{code}@bench.example"} for code in _codes(task)
        ]
        connection.execute(insert(Agent), agents)
    engine.dispose()
    kind = _csv(VILLAGE)
    with RabbitNode() as node, Crew(node, task, processes=1) as crew, Notifiers(task, crew.amqp_url) as notifiers:
        codes = islice(cycle(_codes(task)), _WARM + REQUESTS)
        orders = (ask_one(kind.ask(code)) for code in codes)
        samples = [notifiers.time_mail(partial(crew.make, order)) * _MS for order in orders][_WARM:]
    what = f"{kind.name} of {kind.lines} lines, publish to told, p99 of {REQUESTS}"
    yield percentile_99("P10", what, samples, target=250, unit="ms")


def p11(stage: Stage) -> Iterator[Check]:
    """Requests recorded in a second by processes that read only requests, and requests notified in a second."""
    task = stage.places(COMMUNES, 1)
    with RabbitNode() as node, Crew(node, task, 2, queues=(QUEUE_REQUESTS, QUEUE_REQUESTS_BULK)) as crew:
        ask = _csv(1, bulk=True).ask
        walls = [crew.record(ask_many(map(ask, _codes(task)))) for _ in range(1 + TIMES)][1:]
        what = f"requests recorded in a second, {COMMUNES} at once, processes: 2"
        yield floor("P11", what, [COMMUNES / wall for wall in walls], target=150, unit="/s")
    for processes in (1, 2):
        with RabbitNode() as node:
            rates = [tell(node, stage.untold(TOLD, COMMUNES), processes) for _ in range(TIMES)]
        what = f"requests told in a second, a mail and two events each, {TOLD} at once, notifiers: {processes}"
        yield floor("P11", what, rates, target=100, unit="/s")


def p13(stage: Stage) -> Iterator[Check]:
    """The cost of each idle service."""
    task = stage.places(1, 1)
    with RabbitNode() as node:
        services = rest(node, task)
    for name, it in services.items():
        yield ceiling("P13", f"{name}, processor until it is at work", [it.start], target=1, unit="s")
    memory = sum(it.memory for it in services.values())
    yield ceiling("P13", "all of them at rest", [memory], target=943, unit="MB")  # 900 MiB


CHECKS_QUEUE: dict[str, Callable[[Stage], Iterator[Check]]] = {"P7": p7, "P8": p8, "P9": p9, "P10": p10, "P11": p11}
CHECKS_QUEUE["P13"] = p13


class _Kind(NamedTuple):
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
    """Check that the files have as many lines as planned."""
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
