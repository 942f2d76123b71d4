"""One look at everything, each time that Prometheus asks; several exporters on one database say the same.

The broker is asked by a callable: monitoring knows none.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, product
from pathlib import Path
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine, case, func, select
from sqlalchemy.exc import DBAPIError

from schemas.vocabulary import ExportKind, ExportStatus
from worker.db.engine import snapshot
from worker.db.types import seconds_between, utc_now
from worker.errors import ConfigurationError, TransientError
from worker.exports.models import Export, Request
from worker.exports.records import IS_UNFINISHED, LEASE
from worker.monitoring import counters, metrics
from worker.monitoring.counters import DELAYS, RunningTotals, count_exports, count_notified, count_requests
from worker.monitoring.metrics import Samples
from worker.work.models import About, WorkKind
from worker.work.queue import has_open

STATES = WAITING, DELAYED, RUNNING, ORPHANED = "waiting", "delayed", "running", "orphaned"
"""In the queue; put off until something is back; in a worker's hands; in those of a worker that gave no more sign."""

_BULK = {False: "no", True: "yes"}


class Pending(NamedTuple):
    """Files that are not settled, of one kind, of a batch or not, in one state, for one reason if they are delayed."""

    kind: str
    is_bulk: bool
    state: str
    code: str
    number: int
    age: float


class Unnotified(NamedTuple):
    """Requests that are complete and not notified: how many, and seconds since the first of them was complete."""

    number: int
    age: float


def measure_pending(samples: Samples, connection: Connection) -> None:
    """Files that are not settled."""
    samples.begin(metrics.UNFINISHED, product(ExportKind, _BULK.values(), STATES))
    samples.begin(metrics.OLDEST, product(ExportKind, _BULK.values()))
    samples.begin(metrics.DELAYED, product(DELAYS))
    for kind, is_bulk, state, code, number, age in _read_pending(connection):
        samples.add(metrics.UNFINISHED, (kind, _BULK[is_bulk], state), [number])
        samples.raise_to(metrics.OLDEST, (kind, _BULK[is_bulk]), age)
        if state == DELAYED:
            samples.add(metrics.DELAYED, (code,), [number])


def measure_unnotified(samples: Samples, connection: Connection) -> None:
    """Requests that are complete and not notified."""
    unnotified = _read_unnotified(connection)
    samples.set(metrics.UNNOTIFIED, unnotified.number)
    samples.set(metrics.LAG, unnotified.age)


def _read_pending(connection: Connection) -> Sequence[Pending]:
    """The files not settled, oldest `age` in seconds."""
    now = utc_now()
    state = case(
        (Export.status == ExportStatus.QUEUED, case((Export.not_before > now, DELAYED), else_=WAITING)),
        (LEASE.is_expired(), ORPHANED),
        else_=RUNNING,
    )
    unfinished = (
        select(Export.kind, Export.is_bulk, state.label("state"), Export.error_code, Export.created_at)
        .where(IS_UNFINISHED)
        .subquery()
    )
    keys = (unfinished.c.kind, unfinished.c.is_bulk, unfinished.c.state, unfinished.c.error_code)
    age = seconds_between(func.min(unfinished.c.created_at), now)
    rows = connection.execute(select(*keys, func.count(), age).group_by(*keys))
    return [Pending(*row) for row in rows]


def _read_unnotified(connection: Connection) -> Unnotified:
    """The requests that the notifier is late with: a chat or a webhook that does not answer does not count."""
    is_late = has_open(About.REQUEST, Request.id, [WorkKind.EVENT, WorkKind.RECIPIENTS, WorkKind.MAIL])
    age = seconds_between(func.min(Request.completed_at), utc_now())
    is_unnotified = Request.completed_at.is_not(None), Request.notified_at.is_(None)
    number, seconds = connection.execute(select(func.count(), age).where(*is_unnotified, is_late)).one()
    return Unnotified(number, seconds or 0.0)


def read_room(volume: Path) -> Iterator[tuple[int, int]]:
    """Bytes that files may still take, and bytes of the volume; nothing where it is not mounted."""
    if volume.is_dir():
        room = os.statvfs(volume)
        yield room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize


STATEMENT_SECONDS = 60
"""Of a database that is slower than this nothing is shown."""


class QueueFigures(Protocol):
    """What the broker says of one of our queues."""

    @property
    def queue(self) -> str:
        """Its name."""

    @property
    def messages(self) -> int:
        """How many wait."""

    @property
    def consumers(self) -> int:
        """How many processes read it."""

    @property
    def dead_letters(self) -> int:
        """How many were put aside."""


Queues = Callable[[], Iterable[QueueFigures]]
"""Asks for each queue; raises TransientError when the broker is away."""


class Exporter(Collector):
    """Reads the database, the broker (`queues`, which raises TransientError when it is away) and the volume."""

    def __init__(self, engine: Engine, queues: Queues, volume: Path) -> None:
        self._engine = engine
        self._queues = queues
        self._volume = volume
        self._lock = threading.Lock()
        self._requests = RunningTotals(counters.REQUESTS)
        self._exports = RunningTotals(counters.EXPORTS)
        self._notified = RunningTotals(counters.NOTIFIED)
        self._notifications = RunningTotals(counters.NOTIFICATIONS)

    def collect(self) -> Iterator[Family]:
        """The metrics of what answers."""
        with self._lock:
            begun = time.monotonic()
            gathered = [Samples()]
            for part, read in (("database", self._read_database), ("broker", self._read_broker)):
                try:
                    gathered.append(read())
                except (DBAPIError, TransientError):
                    gathered[0].set(metrics.UP, 0, part)
                else:
                    gathered[0].set(metrics.UP, 1, part)
            for free, size in read_room(self._volume):
                gathered[0].set(metrics.FREE, free)
                gathered[0].set(metrics.SIZE, size)
            gathered[0].set(metrics.MEASURE, time.monotonic() - begun)
        return chain.from_iterable(samples.families() for samples in gathered)

    def _read_database(self) -> Samples:
        samples = Samples()
        with snapshot(self._engine) as connection:
            _bound_time(connection)
            count_requests(samples, self._requests.read(connection))
            count_exports(samples, self._exports.read(connection))
            count_notified(samples, self._notified.read(connection), self._notifications.read(connection))
            measure_pending(samples, connection)
            measure_unnotified(samples, connection)
        return samples

    def _read_broker(self) -> Samples:
        samples = Samples()
        for state in self._queues():
            samples.set(metrics.MESSAGES, state.messages, state.queue)
            samples.set(metrics.CONSUMERS, state.consumers, state.queue)
            samples.set(metrics.DEAD_LETTERS, state.dead_letters, state.queue)
        return samples


def _bound_time(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")


def serve_metrics(exporter: Exporter, port: int) -> None:
    """Answer `GET /metrics`, in a thread that ends with the process.

    Raises:
        ConfigurationError: nobody can listen there.
    """
    registry = CollectorRegistry()
    registry.register(exporter)
    try:
        start_http_server(port, "0.0.0.0", registry)  # noqa: S104 — figures only, where an operator opens the port
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ConfigurationError(f"PREFECTURE_METRICS_PORT : le port {port} ne peut pas servir ({reason})") from None
