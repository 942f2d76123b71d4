"""One look at everything, each time that Prometheus asks; several exporters on one database say the same.

The broker is asked by a callable: monitoring knows none.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from worker.db.engine import snapshot
from worker.errors import ConfigurationError, TransientError
from worker.monitoring import counters, metrics
from worker.monitoring.counters import RunningTotals, count_exports, count_notified, count_requests
from worker.monitoring.gauges import measure_pending, measure_unnotified, read_room
from worker.monitoring.metrics import Samples

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


def serve_metrics(exporter: Exporter, host: str, port: int) -> None:
    """Answer `GET /metrics`, in a thread that ends with the process.

    Raises:
        ConfigurationError: nobody can listen there.
    """
    registry = CollectorRegistry()
    registry.register(exporter)
    try:
        start_http_server(port, host, registry)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ConfigurationError(f"PREFECTURE_METRICS_PORT : {host}:{port} ne peut pas servir ({reason})") from None
