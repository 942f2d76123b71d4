"""The time until a clerk sees a page of the screen, each page with its target."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

from bench import child
from bench.asking import ask_one, liste_principale
from bench.check import Check, ceiling, floor, percentile_99
from bench.crew import Crew
from bench.crowd import CLERKS, DOWNLOADS, gather
from bench.history import APART, FILES
from bench.screen import Screen
from bench.stage import Database, Stage
from common.calendrier import jour_a_paris
from producers.state import State
from schemas.vocabulary import Format
from tests.parts.rabbitmq import RabbitNode
from worker.demo.libreville import LIBREVILLE

ROUNDS = 100
_WARM = 3
_MOST = 100
"""The longest time of a page, in milliseconds."""
_DATABASES: tuple[Database, ...] = ("PostgreSQL", "SQLite")

Timer = Callable[[], float]


def w1(stage: Stage) -> Iterator[Check]:
    """The pages, with months of requests of a busy commune."""
    for database in _DATABASES:
        task = stage.history(database)
        with Screen(task) as screen:
            shown = pages(task.size, datetime.now(UTC)).items()
            timers: dict[str, Timer] = {name: partial(screen.time_page, path) for name, path in shown}
            samples = take_turns(timers, ROUNDS)
        for name, milliseconds in samples.items():
            what = f"{name}, {database}, {task.size:,} requests, p99 of {ROUNDS}"
            yield percentile_99("W1", what, milliseconds, target=_MOST, unit="ms")


def w2(stage: Stage) -> Iterator[Check]:
    """The same pages, and their updates, for a hundred clerks at once, while ten of them download a large list."""
    task = stage.history("PostgreSQL")
    register = task._replace(size=stage.size * 3 // 10)  # some 60 MB of CSV
    for job in ("generate", "import"):
        child.run(job, register)
    with RabbitNode() as node, Crew(node, task, processes=1) as crew:
        size = crew.make(ask_one(liste_principale(LIBREVILLE.code, Format.CSV, bulk=False))).size
    with State(task.url) as state:
        newest = state.latest(LIBREVILLE.code, 1)[0].export_id
    crowd = gather(task, [*pages(task.size, datetime.now(UTC)).values()], newest)
    if crowd.downloads != [size] * DOWNLOADS:
        raise RuntimeError("not every download was the whole file")
    what = f"{CLERKS} clerks at once, {task.size:,} requests"
    yield percentile_99("W2", f"{what}, first byte, p99 of {len(crowd.pages)}", crowd.pages, target=_MOST, unit="ms")
    yield floor("W2", f"{what}, pages that were updated", [float(crowd.updated)], target=CLERKS, unit="")
    yield ceiling("W2", f"{what}, memory", [crowd.memory], target=200, unit="MB")


CHECKS_SCREEN: dict[str, Callable[[Stage], Iterator[Check]]] = {"W1": w1, "W2": w2}


def pages(requests: int, now: datetime) -> dict[str, str]:
    """Return the address of each page, below the commune's: the addresses that show or search most."""
    first_day = jour_a_paris(now - APART * (requests - 1))
    old = FILES * (requests // 4) + 1
    return {
        "listes": "/listes",
        "tableaux": "/tableaux",
        "suivi": "/suivi",
        "exports": "/exports",
        "exports, last pages": f"/exports?avant={max(old // 100, 2)}",
        "exports of the first day": f"/exports?au={first_day}",
        "export": f"/exports/{old}",
        "depot": "/depot",
        "dossier": "/dossier",
        "echeances": "/echeances",
        "journal": "/journal",
    }


def take_turns(timers: Mapping[str, Timer], rounds: int) -> dict[str, list[float]]:
    """Run A B C A B C …; return the samples of each after a warm-up."""
    samples: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(_WARM + rounds):
        for name, timer in timers.items():
            samples[name].append(timer())
    return {name: values[_WARM:] for name, values in samples.items()}
