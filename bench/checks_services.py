"""What people wait for, each with its target: a request, RabbitMQ, worker processes, a file, a mail; the screen."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice

from bench.check import Check, ceiling, floor, percentile_99, ratio
from bench.copies import read_copy, select_departement
from bench.crew import measure_rest, open_crew
from bench.files import BENCH, Asked, ask_liste, ask_tableau
from bench.history import APART, export_of
from bench.measure import Measure, in_turn, run, wall
from bench.people import write_town
from bench.registers import Task, import_reu
from bench.screen import CLERKS, DOWNLOADS, add_agents, gather, open_screen
from bench.stage import DATABASES, Stage
from common.calendrier import jour_a_paris
from producers.state import State
from schemas.profiles.platform import read_shipped
from schemas.topology import QUEUE_PROGRAMS, QUEUE_REQUESTS
from schemas.vocabulary import Format, Liste
from worker.demo.libreville import LIBREVILLE

TIMES = 3
UNTUNED = "server's settings"
PLACES, SHARE, ONE_IN = 16, 50, 10
"""P8: communes of one size; the divisor of the largest list that gives the electors of each; how few of them move."""

VILLAGES, VILLAGE, REQUESTS = 60, 500, 300
"""P9: villages that alternate, so that no file name waits for its second; their electors; requests."""

COMMUNES = 600
"""P11: communes of one elector with one request each."""

_WARM = 8
"""Requests before the measure, so that each process has made some files."""

ROUNDS = 100
"""W1: how often each page is opened."""

_WARM_PAGES = 3
_MOST, _MOST_BESIDE = 100, 200
"""The longest time of a page, in milliseconds: for one clerk, and for each of a hundred."""

_MS = 1000


def p7(stage: Stage) -> Iterator[Check]:
    r"""All lists of a département against `\copy`."""
    task = stage.departement()
    asked = [ask_liste(code, Format.CSV, bulk=True, listes=[*Liste]) for code in task.codes]
    copy = read_copy(task, select_departement)
    with open_crew(stage.broker, task, 2) as crew:

        def make() -> Measure:
            measure = crew.make(asked)
            crew.clear()
            return measure

        crew.make(asked[:_WARM])
        crew.clear()
        made, copied, untuned = in_turn([make, copy.run, copy._replace(planner={}).run], TIMES)
    _require_lines(made, task.size)
    if made[0].size != copied[0].size + len(read_shipped().form.header) * len(Liste) * len(
        task.codes
    ):
        raise RuntimeError("the files are not what \\copy wrote, below their headers")
    what = f"CSV of {len(task.codes)} communes, two workers / \\copy, {task.size:,}"
    yield ratio("P7", what, wall(made), wall(copied), target=5, unit="s")
    yield ratio("P7", f"{what}, {UNTUNED}", wall(made), wall(untuned), target=5, unit="s")


def p8(stage: Stage) -> Iterator[Check]:
    """Two worker processes against one."""
    electeurs = stage.size // SHARE
    task = stage.places(PLACES, electeurs, one_in=ONE_IN)
    for name, ask, lines in (
        ("XML", partial(ask_liste, format_=Format.XML, bulk=True), electeurs),
        ("PDF", partial(ask_tableau, bulk=True), electeurs // ONE_IN),
    ):
        asked = [ask(code) for code in task.codes]
        one, two = in_turn(
            [partial(_make_all, stage, task, asked, processes) for processes in (1, 2)], TIMES
        )
        _require_lines([*one, *two], PLACES * lines)
        what = f"{name}, throughput of two workers / one, {PLACES} × {lines:,} lines"
        yield replace(ratio("P8", what, wall(one), wall(two), target=1.7, unit="s"), is_floor=True)


def _make_all(stage: Stage, task: Task, asked: Sequence[Asked], processes: int) -> Measure:
    with open_crew(stage.broker, task, processes) as crew:
        crew.make(asked[:_WARM])
        measure = crew.make(asked)
        crew.clear()
    return measure


def p9(stage: Stage) -> Iterator[Check]:
    """The file of a village, from its request on."""
    task = stage.places(VILLAGES, VILLAGE, one_in=1)
    with open_crew(stage.broker, task, 1) as crew:
        for name, ask, target in (
            ("CSV", partial(ask_liste, format_=Format.CSV), 100),
            ("XML", partial(ask_liste, format_=Format.XML), 100),
            ("PDF", ask_tableau, 250),
        ):
            made = [crew.make([ask(code)]) for code in _alternate(task)][_WARM:]
            crew.clear()
            _require_lines(made, VILLAGE)
            what = f"{name} of {VILLAGE} lines, {VILLAGE} electors, publish to ready, p99 of {REQUESTS}"
            yield percentile_99(
                "P9", what, [it * _MS for it in wall(made)], target=target, unit="ms"
            )


def p10(stage: Stage) -> Iterator[Check]:
    """The list of a village, from its request until the clerk's mail is delivered."""
    task = stage.places(VILLAGES, VILLAGE, one_in=ONE_IN)
    add_agents(task, [(BENCH, code) for code in task.codes])
    with open_crew(stage.broker, task, 1) as crew:
        crew.start_notifiers(1)
        samples = [crew.notify(ask_liste(code, Format.CSV)) * _MS for code in _alternate(task)][
            _WARM:
        ]
    what = f"CSV of {VILLAGE} lines, publish to told, p99 of {REQUESTS}"
    yield percentile_99("P10", what, samples, target=250, unit="ms")


def _alternate(task: Task) -> Iterator[str]:
    return islice(cycle(task.codes), _WARM + REQUESTS)


def p11(stage: Stage) -> Iterator[Check]:
    """Requests recorded in a second by processes that read only requests, and requests notified in a second."""
    task = stage.places(COMMUNES, 1, one_in=ONE_IN)
    asked = [ask_liste(code, Format.CSV, bulk=True) for code in task.codes]
    with open_crew(stage.broker, task, 2, QUEUE_REQUESTS, QUEUE_PROGRAMS) as crew:
        rates = [len(asked) / crew.record(asked) for _ in range(1 + TIMES)][1:]
        what = f"requests recorded in a second, {COMMUNES} at once, one active consumer"
        yield floor("P11", what, rates, target=100, unit="/s")
    task = stage.places(COMMUNES, 1, one_in=ONE_IN)  # whose files do not wait
    add_agents(task, [(BENCH, code) for code in task.codes])
    for notifiers in (1, 2):
        rates = [_notify_all(stage, task, asked, notifiers) for _ in range(TIMES)]
        what = f"requests told in a second, a mail and two events each, {COMMUNES} at once, notifiers: {notifiers}"
        yield floor("P11", what, rates, target=100, unit="/s")


def _notify_all(stage: Stage, task: Task, asked: Sequence[Asked], notifiers: int) -> float:
    with open_crew(stage.broker, task, 2) as crew:
        crew.make(asked)
        crew.clear()
        crew.start_notifiers(notifiers)
        return crew.rate_of_notifications(len(asked))


def p13(stage: Stage) -> Iterator[Check]:
    """The cost of each idle service."""
    starts, memory = measure_rest(stage.broker, stage.places(1, 1, one_in=ONE_IN))
    for name, seconds in starts.items():
        yield ceiling(
            "P13", f"{name}, processor until it is at work", [seconds], target=1, unit="s"
        )
    yield ceiling("P13", "all of them at rest", [memory], target=943, unit="MB")  # 900 MiB


def _require_lines(made: Sequence[Measure], lines: int) -> None:
    if any(measure.lines != lines for measure in made):
        raise RuntimeError(f"not all of the {lines} lines are in the files, or left out as minors")


def w1(stage: Stage) -> Iterator[Check]:
    """The pages, with months of requests of a busy commune."""
    for database in DATABASES:
        task = stage.history(database, stage.size // 100)
        pages = _pages(task.size)
        samples: dict[str, list[float]] = {name: [] for name in pages}
        with open_screen(task) as screen:
            for _ in range(_WARM_PAGES + ROUNDS):
                for name, path in pages.items():
                    samples[name].append(screen.time_page(path))
        for name, milliseconds in samples.items():
            what = f"{name}, {database}, {task.size:,} requests, p99 of {ROUNDS}"
            yield percentile_99("W1", what, milliseconds[_WARM_PAGES:], target=_MOST, unit="ms")


def w2(stage: Stage) -> Iterator[Check]:
    """The same pages, and their updates, for a hundred clerks at once, while ten of them download a large list."""
    task = stage.history("PostgreSQL", stage.size // 100)
    task = task._replace(reu=task.folder / "reu.csv")
    write_town(task.reu, stage.size * 3 // 10)  # some 60 MB of CSV
    run(import_reu, task)
    with open_crew(stage.broker, task, 1) as crew:
        size = crew.make([ask_liste(LIBREVILLE.code, Format.CSV)]).size
    with State(task.url) as state:
        newest = state.latest(LIBREVILLE.code, 1)[0][0].export_id
    crowd = gather(task, [*_pages(task.size).values()], newest)
    if crowd.downloads != [size] * DOWNLOADS:
        raise RuntimeError("not every download was the whole file")
    what = f"{CLERKS} clerks at once, {task.size:,} requests"
    yield percentile_99(
        "W2",
        f"{what}, first byte, p99 of {len(crowd.pages)}",
        crowd.pages,
        target=_MOST_BESIDE,
        unit="ms",
    )
    yield floor(
        "W2",
        f"{what}, pages that were updated",
        [float(len(crowd.updated))],
        target=CLERKS,
        unit="",
    )
    yield ceiling("W2", f"{what}, memory", [crowd.memory], target=200, unit="MB")


def _pages(requests: int) -> dict[str, str]:
    first_day = jour_a_paris(datetime.now(UTC) - APART * (requests - 1))
    return {
        "taches": "/taches",
        "listes": "/listes",
        "tableaux": "/tableaux",
        "suivi": "/suivi",
        "exports": "/exports",
        "exports, last pages": f"/exports?page={max(requests * 6 // 25 - 2, 1)}",  # six files a request, 25 a page
        "exports of the first day": f"/exports?au={first_day}",
        "export": f"/exports/{export_of(requests // 4 + 1)}",
        "depot": "/depot",
        "dossier": "/dossier",
        "echeances": "/echeances",
        "journal": "/journal",
    }


SERVICES = (p7, p8, p9, p10, p11, p13, w1, w2)
