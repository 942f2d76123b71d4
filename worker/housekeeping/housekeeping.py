"""The housekeeping of the notifier's process: the sweep, the plan of reminders and the purge, each now and then.

It has a thread of its own: however long a purge takes, nobody is notified later for it. The thread does one step of
each chore that is due, in turn, so that a purge of a thousand files does not keep the sweep waiting either.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from threading import Event

import structlog
from sqlalchemy import Engine

from common.logs import LogThrottle
from worker.db.engine import snapshot
from worker.doorbell import CountEnqueued, Enqueue, EnqueueParked
from worker.exports.audit import NOTIFIER
from worker.exports.parked import mark_due, take_back_look
from worker.exports.purge import Purged, purge_files
from worker.exports.records import count_waiting, mark_enqueued, take_back_enqueued
from worker.exports.storage import Storage
from worker.health import Beat
from worker.housekeeping.reminders import plan_reminders
from worker.notifier.notify import Today, today_in_france

HOUR_SECONDS = 3600

RETRY_SECONDS = 60
"""How long a chore that failed is left alone, unless it comes more often."""

STUCK_SECONDS = 600
"""How long one step of each chore may take at most: after that the thread is taken for stuck."""

STUCK = "le notificateur n'avance plus (ménage) : voir son journal"

GRACE_SECONDS = 30
"""How long a message that was sent is trusted to arrive."""

BATCH = 500

_LONGEST_PAUSE_SECONDS, _SHORTEST_PAUSE_SECONDS = 10.0, 0.05

log = structlog.stdlib.get_logger(__name__)


class Chore:
    """Something to do each so many seconds: `begin` starts it, and it does a step each time the next one is asked for.

    What goes wrong is logged, and the chore begins again at its hour, or in a minute.
    """

    def __init__(self, name: str, begin: Callable[[], Iterable[object]], seconds: float) -> None:
        self._begin = begin
        self._seconds = seconds
        self._steps: Iterator[object] | None = None
        self._due_at = 0.0
        self._throttle = LogThrottle(name)

    @property
    def pause(self) -> float:
        """Seconds until there is something to do."""
        return 0 if self._steps else max(0.0, self._due_at - time.monotonic())

    def step(self) -> bool:
        """Do one step, when it is time; True when one was done, and there may be more."""
        if self.pause:
            return False
        try:
            if self._steps is None:
                self._due_at = time.monotonic() + self._seconds
                self._steps = iter(self._begin())
            next(self._steps)
        except StopIteration:
            self._steps = None
        except Exception as error:  # noqa: BLE001 — whatever it is, the other chores go on, and this one begins again
            self._steps = None
            self._due_at = time.monotonic() + min(self._seconds, RETRY_SECONDS)
            self._throttle.failed(error)
            return False
        self._throttle.succeeded()
        return self._steps is not None


class Housekeeping:
    """The chores, in the order in which each takes a step."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._chores = chores
        self._last_sign = math.inf
        self._is_reported = False

    def run(self, stop: Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            self._last_sign = time.monotonic()
            if not self.step(stop):
                pause = min((chore.pause for chore in self._chores), default=_LONGEST_PAUSE_SECONDS)
                stop.wait(min(max(pause, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS))
        self._last_sign = math.inf

    def step(self, stop: Event) -> bool:
        """One step of each chore that is due, none once `stop` is set; True when there may be more to do at once."""
        steps = [chore.step() for chore in self._chores if not stop.is_set()]
        return any(steps)

    def supervise(self, beat: Beat) -> Beat:
        """The same beat, until `run` is stuck: then what lacks is told once, and no sign of life follows."""

        def supervised(lack: str) -> None:
            is_stuck = time.monotonic() > self._last_sign + STUCK_SECONDS
            if is_stuck and not self._is_reported:
                log.critical("housekeeping_stuck")
                beat(STUCK)
            elif not is_stuck:
                beat(lack)
            self._is_reported = is_stuck

        return supervised


def sweep_chore(engine: Engine, enqueue: Enqueue, seconds: float, *, count: CountEnqueued | None = None) -> Chore:
    """Enqueue the forgotten rows."""
    doorbell = LogThrottle("doorbell")
    return Chore("sweep", lambda: [sweep(engine, enqueue, doorbell, count=count)], seconds)


def sweep(
    engine: Engine,
    enqueue: Enqueue,
    throttle: LogThrottle | None = None,
    *,
    count: CountEnqueued | None = None,
    grace_seconds: float = GRACE_SECONDS,
    limit: int = BATCH,
) -> int:
    """Enqueue the rows that wait without a message, and those whose worker died; returns how many they were.

    A row may wait for long because its queue is long: its message is still there. So a row that was enqueued once is
    enqueued again only where the broker holds fewer messages than rows wait for, and only as many rows as messages
    lack, at most `limit` of a queue, those silent for longest first. A queue keeps its order and what is enqueued joins
    its end, so that a row whose message was lost becomes the oldest: at the latest when all that stood in the queue has
    been served.

    A row is marked before it is enqueued, so that no other sweep takes it too. When the broker is away the mark is
    taken back: the next sweep tries again, and `throttle` keeps count of it. Without `count`, every row that has been
    silent for the grace is taken for forgotten.
    """
    throttle = throttle or LogThrottle("doorbell")
    with snapshot(engine) as connection:
        waiting = count_waiting(connection, grace_seconds)
    try:
        held = count() if count and waiting else {}
    except Exception as error:  # noqa: BLE001 — whatever the broker's trouble, the next sweep asks again
        throttle.failed(error)
        return 0
    if held:
        throttle.succeeded()
    lost = {queue: rows - held.get(queue, 0) for queue, rows in waiting.items() if rows > held.get(queue, 0)}
    with engine.begin() as connection:
        doorbells = mark_enqueued(connection, lost, grace_seconds=grace_seconds, limit=limit)
    if not doorbells:
        return 0
    try:
        enqueue(doorbells)
    except Exception as error:  # noqa: BLE001 — whatever the broker's trouble, the next sweep enqueues again
        throttle.failed(error)
        take_back_enqueued(engine, doorbells)
        return 0
    throttle.succeeded()
    log.info("doorbell_rung_again", rows=len(doorbells))
    return len(doorbells)


def parked_chore(engine: Engine, enqueue: EnqueueParked, seconds: float) -> Chore:
    """Let workers look at the parked events that are due."""
    throttle = LogThrottle("parked")

    def sweep_all() -> Iterator[int]:
        while (number := sweep_parked(engine, enqueue, throttle)) == BATCH:
            yield number

    return Chore("parked", sweep_all, seconds)


def sweep_parked(engine: Engine, enqueue: EnqueueParked, throttle: LogThrottle) -> int:
    """Enqueue parked events that are due, BATCH at most, each once in GRACE_SECONDS; returns how many they were.

    They are marked before, as in `sweep`, and the mark is taken back when the broker is away.
    """
    with engine.begin() as connection:
        parked_ids = mark_due(connection, grace_seconds=GRACE_SECONDS, limit=BATCH)
    if not parked_ids:
        return 0
    try:
        enqueue(parked_ids)
    except Exception as error:  # noqa: BLE001 — whatever the broker's trouble, the next sweep enqueues again
        throttle.failed(error)
        take_back_look(engine, parked_ids)
        return 0
    throttle.succeeded()
    return len(parked_ids)


def reminder_chore(
    engine: Engine,
    registre: Engine,
    days: Collection[int],
    today: Today = today_in_france,
    seconds: float = HOUR_SECONDS,
) -> Chore:
    """Plan the reminders of the day; `registre` is the database of the register, when it is another one."""
    return Chore("reminders", lambda: [plan_reminders(engine, registre, today(), days)], seconds)


def purge_chore(engine: Engine, storage: Storage, days: float, seconds: float = HOUR_SECONDS) -> Chore:
    """Remove the files of exports that ended more than so many days ago, a few at each step."""

    def purge() -> Iterator[Purged]:
        for step in purge_files(engine, storage, days=days, actor=NOTIFIER):
            if any(step):
                log.info("files_purged", **step._asdict())
            yield step

    return Chore("purge", purge, seconds)
