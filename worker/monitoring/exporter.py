"""Serves figures of the database, the broker and the volume to Prometheus. Several exporters return the same figures.

Each figure is read anew at each scrape, so that no process has to remember it. What happens is counted over the last
hour, by indexes. No label names a commune or a person. docs/reference.md prints the same list of metrics.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import BigInteger, Connection, Engine, case, cast, func, select
from sqlalchemy.exc import DBAPIError

from schemas import topology
from schemas.vocabulary import ExportStatus
from worker.db.engine import snapshot
from worker.db.sessions import HiddenSessionsError, find_open_transactions
from worker.db.types import seconds_between, utc_now
from worker.errors import ConfigurationError, TransientError
from worker.exports.models import Export, Request
from worker.notifier.models import Notification
from worker.work.queue import FILES, About, Work, WorkKind, WorkState, has_open, is_open

HOUR_SECONDS = 3600

ANSWER_SECONDS = 20
"""A part that takes longer counts as away; Prometheus waits for 25 s (deploy/monitoring/prometheus.yml)."""

UNDELIVERED_SECONDS = 60
"""A message that was tried for the first time so long ago, and is not sent yet, is delayed."""

STATEMENT_SECONDS = 60
"""The longest time of one statement on PostgreSQL; a slower database counts as away."""


class Metric(NamedTuple):
    """One gauge."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()

    def family(self, rows: Iterable[Sequence[Any]]) -> GaugeMetricFamily:
        """Return the samples of rows, which have the values of the labels and then the figure."""
        family = GaugeMetricFamily(self.name, self.meaning, labels=self.labels)
        for *labels, figure in rows:
            family.add_metric([str(label) for label in labels], float(figure or 0))
        return family


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"prefecture_{name}", meaning, labels)


REQUESTS = _gauge("requests", "requests that were read in the last hour", "type", "outcome")
EXPORTS = _gauge("exports", "files that ended in the last hour", "kind", "format", "status", "code")
NOTIFICATIONS = _gauge(
    "notifications", "messages that were sent or given up in the last hour", "channel", "outcome"
)
UNFINISHED = _gauge("exports_unfinished", "files that are not finished", "kind", "bulk", "state")
DELAYED = _gauge("exports_delayed", "files that wait for something full or away, by reason", "code")
OLDEST = _gauge(
    "oldest_waiting_seconds", "age of the oldest file that is not finished", "kind", "bulk"
)
UNNOTIFIED = _gauge(
    "requests_unnotified", "finished requests whose agents are not all notified yet"
)
UNDELIVERED = _gauge("messages_delayed", "messages not delivered for a minute or more", "channel")
LAG = _gauge(
    "notifier_lag_seconds", "how long the oldest of these requests has waited, 0 without any"
)
OLDEST_TRANSACTION = _gauge(
    "oldest_transaction_seconds",
    "age of the oldest open transaction of an account, while it holds back VACUUM",
    "account",
)
MESSAGES = _gauge("queue_messages", "messages that wait in a queue", "queue")
CONSUMERS = _gauge("queue_consumers", "worker processes that read a queue", "queue")
DEAD_LETTERS = _gauge(
    "dead_letters", "failed or unreadable messages that an operator has to handle", "queue"
)
BLOCKED = _gauge(
    "broker_blocked", "1 while RabbitMQ accepts no message, because its disk or its memory is short"
)
FREE = _gauge(
    "exports_volume_free_bytes", "room left for files; absent where the volume is not mounted"
)
SIZE = _gauge("exports_volume_size_bytes", "the whole of it, likewise")
UP = _gauge("up", "1 when the part answered, else 0 and its metrics are absent", "part")
MEASURE = _gauge("measure_seconds", "how long it took to read all this")

METRICS = tuple(it for it in globals().values() if isinstance(it, Metric))

Queues = Callable[[], Iterable[tuple[str, int, int, int]]]
"""Returns each queue with its numbers of messages, readers and dead letters; raises TransientError without a broker."""


class Exporter(Collector):
    """Reads the database, the broker and the volume at each scrape."""

    def __init__(
        self, engine: Engine, queues: Queues, is_blocked: Callable[[], bool], volume: Path
    ) -> None:
        self._engine = engine
        self._queues = queues
        self._is_blocked = is_blocked
        self._volume = volume
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(
            max_workers=8
        )  # one that hangs ends after a minute: the others go on

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the metrics of the parts that answer."""
        with self._lock:
            begun, up = time.monotonic(), dict[str, int]()
            families: list[GaugeMetricFamily] = []
            reads = {"database": self._read_database, "broker": self._read_broker}
            looks = {part: self._threads.submit(read) for part, read in reads.items()}
            wait(looks.values(), timeout=ANSWER_SECONDS)
            for part, look in looks.items():
                up[part] = 1
                try:
                    families += look.result(timeout=0)
                except (DBAPIError, TransientError, TimeoutError):
                    up[part] = 0
            if self._volume.is_dir():
                room = os.statvfs(self._volume)
                families.append(FREE.family([[room.f_bavail * room.f_frsize]]))
                families.append(SIZE.family([[room.f_blocks * room.f_frsize]]))
            families.append(UP.family(up.items()))
            families.append(MEASURE.family([[time.monotonic() - begun]]))
        return iter(families)

    def _read_database(self) -> list[GaugeMetricFamily]:
        with snapshot(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
            return [
                *_count_last_hour(connection),
                *_measure_unfinished(connection),
                *_measure_unnotified(connection),
                _measure_transactions(connection),
            ]

    def _read_broker(self) -> list[GaugeMetricFamily]:
        states = list(self._queues())
        columns = (MESSAGES, CONSUMERS, DEAD_LETTERS)
        families = [
            it.family([(row[0], row[number]) for row in states])
            for number, it in enumerate(columns, start=1)
        ]
        return [*families, BLOCKED.family([[self._is_blocked()]])]


def _count_last_hour(connection: Connection) -> Iterator[GaugeMetricFamily]:
    since = utc_now(-HOUR_SECONDS)
    types = {it: it.split(".")[-2] for it in (*topology.REQUEST_TYPES, topology.SCREEN_NOTE)}
    keys: tuple[Any, ...] = (
        case(types, value=Request.event_type, else_="other").label("type"),
        Request.outcome,
    )
    requests = select(*keys, func.count()).where(Request.created_at > since).group_by(*keys)
    yield REQUESTS.family(connection.execute(requests))
    code = case((Export.status == ExportStatus.FAILED, Export.error_code), else_="").label("code")
    keys = Export.kind, Export.format, Export.status, code
    exports = select(*keys, func.count()).where(Export.finished_at > since).group_by(*keys)
    yield EXPORTS.family(connection.execute(exports))
    keys = (
        Notification.channel,
        case((Notification.refusal != "", "refused"), else_="sent").label("outcome"),
    )
    notifications = select(*keys, func.count()).where(Notification.ended_at > since).group_by(*keys)
    yield NOTIFICATIONS.family(connection.execute(notifications))


def _measure_unfinished(connection: Connection) -> Iterator[GaugeMetricFamily]:
    now = utc_now()
    state = case(
        (Work.state == WorkState.DUE, case((Work.due_at > now, "delayed"), else_="waiting")),
        (Work.due_at <= now, "orphaned"),  # its worker has died
        else_="running",
    )
    bulk = case((Work.lane == 0, "no"), else_="yes")
    files = (
        select(
            Work.kind,
            bulk.label("bulk"),
            state.label("state"),
            Export.error_code,
            Export.created_at,
        )
        .join(Export, Export.id == cast(func.substr(Work.subject, len("export:") + 1), BigInteger))
        .where(Work.kind.in_(FILES), is_open())
        .subquery()
        .c
    )
    keys: tuple[Any, ...] = (files.kind, files.bulk, files.state)
    yield UNFINISHED.family(connection.execute(select(*keys, func.count()).group_by(*keys)))
    delayed = select(files.error_code, func.count()).where(files.state == "delayed")
    yield DELAYED.family(connection.execute(delayed.group_by(files.error_code)))
    age = seconds_between(func.min(files.created_at), now)
    yield OLDEST.family(
        connection.execute(select(files.kind, files.bulk, age).group_by(files.kind, files.bulk))
    )


def _measure_unnotified(connection: Connection) -> Iterator[GaugeMetricFamily]:
    """Yield number and age of the requests whose notifications are late, without webhooks; late messages."""
    is_late = has_open(About.REQUEST, Request.id, [WorkKind.END, WorkKind.MAIL])
    age = seconds_between(func.min(Request.completed_at), utc_now())
    is_unnotified = Request.completed_at.is_not(None), Request.notified_at.is_(None)
    number, seconds = connection.execute(
        select(func.count(), age).where(*is_unnotified, is_late)
    ).one()
    yield UNNOTIFIED.family([[number]])
    delayed = (
        Notification.ended_at.is_(None),
        Notification.created_at < utc_now(-UNDELIVERED_SECONDS),
    )
    channels = (
        select(Notification.channel, func.count()).where(*delayed).group_by(Notification.channel)
    )
    yield UNDELIVERED.family(connection.execute(channels))
    yield LAG.family([[seconds]])


def _measure_transactions(connection: Connection) -> GaugeMetricFamily:
    """Return the age of the oldest open transaction of each account; no sample where this account may not see it."""
    try:
        found = find_open_transactions(connection)
    except HiddenSessionsError:  # `check` says so
        found = []
    oldest_last = reversed(found)
    return OLDEST_TRANSACTION.family({it.account: it.seconds for it in oldest_last}.items())


def serve_metrics(exporter: Exporter, port: int) -> None:
    """Serve `GET /metrics` in a thread that ends with the process.

    Raises:
        ConfigurationError: the port cannot be opened.
    """
    registry = CollectorRegistry()
    registry.register(exporter)
    try:
        start_http_server(port, "0.0.0.0", registry)  # noqa: S104 — figures only, where an operator opens the port
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ConfigurationError(
            f"PREFECTURE_METRICS_PORT : le port {port} ne peut pas servir ({reason})"
        ) from None
