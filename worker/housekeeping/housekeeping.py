"""The housekeeping of the notifier's process: periodic tasks such as the sweep, the plan of reminders and the purges.

It has its own thread, so that a long purge delays no notification. The thread does one step of each task that is due,
in turn, so that a purge of a thousand files does not delay the sweep either.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from threading import Event

import structlog
from sqlalchemy import Engine, Text, and_, cast, delete, func, literal_column, or_, over, select, text

from common.logs import LogThrottle
from schemas.vocabulary import RequestOutcome
from worker.arrivals import Arrivals, expire, list_awaited
from worker.audit import NOTIFIER, Actor, note_removed
from worker.db.engine import snapshot
from worker.db.types import utc_now
from worker.doorbell import CountEnqueued, Enqueue
from worker.exports.models import Request
from worker.exports.purge import Purged, purge_files
from worker.exports.storage import STALE_SECONDS, Storage
from worker.health import Supervised
from worker.notifier.models import Notification
from worker.registre.imports.history import purge_versions
from worker.work.models import About, Work, WorkKind, subject_of
from worker.work.queue import count_enqueued, has_open, mark_enqueued, take_back_enqueued
from worker.work.queue import sweep as delete_old_works

HOUR_SECONDS, DAY_SECONDS = 3600, 24 * 3600

RETRY_SECONDS = 60
"""The pause of a task after a failure, unless its period is shorter."""

GRACE_SECONDS = 30
"""Seconds after which a message without effect may be counted as lost."""

BATCH = 500

REFUSED_ROWS, REFUSED_BYTES, REFUSED_DAYS = 5000, 5 * 2**20, 90
"""Limits on stored refused requests per account, so that a faulty producer cannot fill the database."""

_LONGEST_PAUSE_SECONDS, _SHORTEST_PAUSE_SECONDS = 10.0, 0.05

log = structlog.stdlib.get_logger(__name__)


class Chore:
    """A periodic task: `begin` starts it, and each item that its iterator yields is one step.

    An error is logged, and the task begins again after its period, or after a minute.
    """

    def __init__(self, name: str, begin: Callable[[], Iterable[object]], seconds: float) -> None:
        self._begin = begin
        self._seconds = seconds
        self._steps: Iterator[object] | None = None
        self._due_at = 0.0
        self._throttle = LogThrottle(name)

    @property
    def pause(self) -> float:
        """Seconds until the next step is due."""
        return 0 if self._steps else max(0.0, self._due_at - time.monotonic())

    def step(self) -> bool:
        """Do one step, if it is due; return True when one was done and more may follow."""
        if self.pause:
            return False
        try:
            if self._steps is None:
                self._due_at = time.monotonic() + self._seconds
                self._steps = iter(self._begin())
            next(self._steps)
        except StopIteration:
            self._steps = None
        except Exception as error:  # noqa: BLE001 — the other tasks continue, and this one begins again
            self._steps = None
            self._due_at = time.monotonic() + min(self._seconds, RETRY_SECONDS)
            self._throttle.failed(error)
            return False
        self._throttle.succeeded()
        return self._steps is not None


class Housekeeping(Supervised):
    """The periodic tasks, in the order in which each does a step."""

    stuck = "le notificateur n'avance plus (ménage) : voir son journal"

    def __init__(self, chores: Sequence[Chore]) -> None:
        super().__init__()
        self._chores = chores

    def run(self, stop: Event) -> None:
        """Do steps until `stop` is set."""
        while not stop.is_set():
            self.last_sign = time.monotonic()
            if not self.step(stop):
                pause = min((chore.pause for chore in self._chores), default=_LONGEST_PAUSE_SECONDS)
                stop.wait(min(max(pause, _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS))
        self.last_sign = math.inf

    def step(self, stop: Event) -> bool:
        """Do one step of each task that is due, none once `stop` is set; return True when more may be due at once."""
        steps = [chore.step() for chore in self._chores if not stop.is_set()]
        return any(steps)


def sweep(
    engine: Engine,
    enqueue: Enqueue,
    throttle: LogThrottle | None = None,
    *,
    count: CountEnqueued | None = None,
    grace_seconds: float = GRACE_SECONDS,
    limit: int = BATCH,
    counts: bool = True,
) -> int:
    """Enqueue the rows that wait without a message, and those whose worker died; return how many.

    The message of a row may be in a long queue. So a row that was enqueued once is enqueued again only if the broker
    holds fewer messages than rows wait, and only as many rows as messages are missing: at most `limit` of a queue, the
    longest waiting first. Queues keep their order: once all earlier messages are processed, a row whose message was
    lost is the oldest.

    A row is marked before it is enqueued, so that no other sweep enqueues it too. If the broker is away, the mark is
    removed, the next sweep tries again, and `throttle` counts the failure. Without `count`, every row that has waited
    for longer than the grace is enqueued. Without `counts`, only rows whose message was never sent are enqueued.
    """
    throttle, waiting = throttle or LogThrottle("doorbell"), dict[tuple[str, bool], int]()
    if counts:
        with snapshot(engine) as connection:
            waiting = count_enqueued(connection, grace_seconds)
    try:
        held = count() if count and waiting else {}
    except Exception as error:  # noqa: BLE001 — whatever the broker's error, the next sweep asks again
        throttle.failed(error)
        return 0
    if held:
        throttle.succeeded()
    lost = {queue: rows - held.get(queue, 0) for queue, rows in waiting.items() if rows > held.get(queue, 0)}
    with engine.begin() as connection:
        expire(connection)
        doorbells = mark_enqueued(connection, lost, grace_seconds=grace_seconds, limit=limit)
    if not doorbells:
        return 0
    try:
        enqueue(doorbells)
    except Exception as error:  # noqa: BLE001 — whatever the broker's error, the next sweep enqueues again
        throttle.failed(error)
        take_back_enqueued(engine, doorbells)
        return 0
    throttle.succeeded()
    log.info("doorbell_rung_again", rows=len(doorbells))
    return len(doorbells)


def erase_arrivals(engine: Engine, arrivals: Arrivals) -> Iterator[str]:
    """Delete exports that arrived and that no import awaits, one at each step."""
    with snapshot(engine) as connection:
        kept = list_awaited(connection)
    for name in arrivals.erase_forgotten(kept):
        log.info("arrival_erased")
        yield name


def purge(engine: Engine, storage: Storage, days: float) -> Iterator[Purged]:
    """Remove the files of exports that ended more than so many days ago, a few at each step."""
    for step in purge_files(engine, storage, days=days, actor=NOTIFIER):
        if any(step):
            log.info("files_purged", **step._asdict())
        yield step


def purge_all_refused(engine: Engine) -> Iterator[int]:
    """Remove refused requests beyond the limits of an account, a few at each step."""
    while number := purge_refused(engine):
        log.info("refused_removed", rows=number)
        yield number


def purge_refused(
    engine: Engine, *, most: int = REFUSED_ROWS, most_bytes: int = REFUSED_BYTES, days: float = REFUSED_DAYS
) -> int:
    """Remove the oldest refused requests beyond the limits of each account, BATCH at most; return how many.

    Only requests with a reply and all notifications are removed, with the rows of their messages. Their keys are free
    again: the same event is then processed anew.
    """
    said = (Request.event_id, Request.source, Request.correlation_id, Request.reason, Request.tracestate)
    size = sum((func.length(text_) for text_ in said), func.coalesce(func.length(cast(Request.faults, Text)), 0))
    of_account = partial(over, partition_by=Request.sender, order_by=Request.id.desc())
    ranked = select(
        Request.id,
        of_account(func.row_number()).label("rank"),
        of_account(func.sum(size)).label("bytes"),
        (Request.created_at < utc_now(-days * 24 * HOUR_SECONDS)).label("is_old"),
        and_(Request.notified_at.is_not(None), ~has_open(About.REQUEST, Request.id, [WorkKind.REPLY])).label("is_over"),
    ).where(Request.outcome == literal_column(f"'{RequestOutcome.REFUSED}'"))
    row = ranked.subquery().c
    beyond = row.is_over, or_(row.rank > most, row.bytes > most_bytes, row.is_old)
    with engine.begin() as connection:
        ids = connection.scalars(select(row.id).where(*beyond).order_by(row.id).limit(BATCH)).all()
        if not ids:
            return 0
        if engine.dialect.name == "postgresql":
            removed = connection.execute(text("SELECT purge_refused(:ids)"), {"ids": list(ids)})
            return int(removed.scalar_one())
        connection.execute(delete(Notification).where(Notification.request_id.in_(ids)))
        connection.execute(delete(Work).where(Work.subject.in_([subject_of(About.REQUEST, it) for it in ids])))
        return connection.execute(delete(Request).where(Request.id.in_(ids))).rowcount


def remove_versions(engine: Engine) -> Iterator[int]:
    """Remove the electors of former versions that no undo can restore any more, some at each step."""
    for number in purge_versions(engine, note_removed(Actor(NOTIFIER))):
        log.info("versions_purged", rows=number)
        yield number


def delete_dead_works(engine: Engine) -> int:
    """Delete old dead works; return how many."""
    with engine.begin() as connection:
        return delete_old_works(connection)


def remove_temporaries(storage: Storage) -> Iterator[int]:
    """Remove temporary files that have had no writer for an hour.

    A worker that makes a file removes the temporary files of its row; of a cancelled row, no worker does.
    """
    storage.require_own(may_mark=False)
    if left := storage.sweep_temporaries(STALE_SECONDS):
        log.warning("temporaries_removed", files=left)
    yield left
