"""Serves figures of the database, the broker and the volume to Prometheus. Several exporters return the same figures.

A metric shows zero for its known labels from the start: a counter that appeared with its first event would hide that
event from every rate.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, product
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, FromClause, Select, case, cast, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute

from schemas import topology
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Channel, ExportKind, ExportStatus, FileFormat, Format, Liste, RequestOutcome, Severity
from worker.db.engine import snapshot
from worker.db.types import seconds_between, utc_now
from worker.errors import (
    ConfigurationError,
    CountMismatchError,
    DiskFullError,
    ExportError,
    PrefectureError,
    SchemaMismatchError,
    TransientError,
    VolumeAbsentError,
)
from worker.exports.models import Export, Request
from worker.exports.records import FILES_SIZE
from worker.monitoring import metrics
from worker.monitoring.metrics import Samples
from worker.notifier.models import Notification
from worker.work.models import FILES, About, Work, WorkKind, WorkState
from worker.work.queue import has_open, is_open

MARGIN = timedelta(minutes=10)
"""The longest time between the instant that a row records and the commit of its transaction."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

Sums = dict[str, list[float]]
"""By name, one figure or the figures of a histogram."""

Totals = dict[tuple[str, ...], Sums]


@dataclass(frozen=True)
class CountedRows:
    """Rows that never change once their column `moment`, which has an index, is set."""

    rows: Select[*tuple[Any, ...]]
    moment: InstrumentedAttribute[Any]
    keys: Sequence[str]
    sums: Callable[[FromClause], Mapping[str, Sequence[ColumnElement[Any]]]]


class RunningTotals:
    """The totals of all rows.

    Rows older than the margin are read once and added to totals in memory, so that a scrape costs as much
    with a million rows as with few. Rows that are deleted later stay counted until the process restarts.
    """

    def __init__(self, counted: CountedRows) -> None:
        self._counted = counted
        self._closed: Totals = {}
        self._until = _BEGINNING

    def read(self, connection: Connection) -> Totals:
        """Return the totals as the connection's transaction sees them."""
        moment = self._counted.moment
        closing = connection.execute(select(utc_now())).scalar_one() - MARGIN
        if closing >= self._until + MARGIN:
            newly = self._sum(connection, moment > self._until, moment <= closing)
            self._closed, self._until = _add(self._closed, newly), closing
        return _add(self._closed, self._sum(connection, moment > self._until))

    def _sum(self, connection: Connection, *conditions: ColumnElement[bool]) -> Totals:
        rows = self._counted.rows.where(*conditions).subquery()
        keys = [rows.c[name] for name in self._counted.keys]
        sums = self._counted.sums(rows)
        statement = select(*keys, *chain.from_iterable(sums.values())).group_by(*keys)
        totals: Totals = {}
        for row in connection.execute(statement):
            values = iter(row)
            key = tuple(islice(values, len(keys)))
            totals[key] = {name: [float(next(values) or 0) for _ in columns] for name, columns in sums.items()}
        return totals


def _add(one: Totals, other: Totals) -> Totals:
    return one | {key: _add_sums(one[key], sums) if key in one else sums for key, sums in other.items()}


def _add_sums(one: Sums, other: Sums) -> Sums:
    return {name: [a + b for a, b in zip(figures, other[name], strict=True)] for name, figures in one.items()}


REQUEST_TYPES = {
    event_type: event_type.split(".")[-2] for event_type in (*topology.REQUEST_TYPES, topology.SCREEN_NOTE)
}
OTHER_TYPE = "other"
"""The label of any other event type: labels must be few."""

SENT, REFUSED, SENT_PERHAPS_TWICE = "sent", "refused", "sent_perhaps_twice"


def _count(_rows: FromClause) -> Mapping[str, Sequence[ColumnElement[Any]]]:
    return {"number": [func.count()]}


def _histogram(seconds: ColumnElement[Any], bounds: Sequence[float]) -> list[ColumnElement[Any]]:
    """Return the number of rows within each bound, the number of all rows, and the sum."""
    return [*(func.count().filter(seconds <= bound) for bound in bounds), func.count(), func.sum(seconds)]


def _sum_exports(rows: FromClause) -> Mapping[str, Sequence[ColumnElement[Any]]]:
    return {
        "number": [func.count()],
        **{name: [func.sum(rows.c[name])] for name in ("electeurs", "bytes", "bloquantes", "a_completer", "remarques")},
        "duration": _histogram(rows.c.duration, metrics.DURATION.bounds),
        "turnaround": _histogram(rows.c.turnaround, metrics.TURNAROUND.bounds),
    }


REQUESTS = CountedRows(
    rows=select(case(REQUEST_TYPES, value=Request.event_type, else_=OTHER_TYPE).label("type"), Request.outcome),
    moment=Request.created_at,
    keys=["type", "outcome"],
    sums=_count,
)

EXPORTS = CountedRows(
    rows=select(
        *(Export.kind, Export.type_tableau, Export.liste, Export.format, Export.status, Export.error_code),
        *(Export.electeurs, FILES_SIZE.label("bytes"), Export.bloquantes, Export.a_completer, Export.remarques),
        seconds_between(Export.started_at, Export.finished_at).label("duration"),
        seconds_between(Export.created_at, Export.finished_at).label("turnaround"),
    ),
    moment=Export.finished_at,
    keys=["kind", "type_tableau", "liste", "format", "status", "error_code"],
    sums=_sum_exports,
)

NOTIFIED = CountedRows(
    rows=select(
        seconds_between(func.coalesce(Request.completed_at, Request.created_at), Request.notified_at).label("seconds")
    ).where(Request.event_type.not_in((topology.REQUEST_DECLARATION, topology.SCREEN_NOTE))),  # they cause no mail
    moment=Request.notified_at,
    keys=[],
    sums=lambda rows: {"seconds": _histogram(rows.c.seconds, metrics.NOTIFICATION_DELAY.bounds)},
)

_OUTCOME = case(
    (Notification.refusal != "", REFUSED), (Notification.may_be_copy.is_(True), SENT_PERHAPS_TWICE), else_=SENT
)
NOTIFICATIONS = CountedRows(
    rows=select(Notification.channel, _OUTCOME.label("outcome")),
    moment=Notification.ended_at,
    keys=["channel", "outcome"],
    sums=_count,
)

_LISTES = [(ExportKind.LISTE, "", *pair) for pair in product(Liste, Format)]
_TABLEAUX = [(ExportKind.TABLEAU, *pair, FileFormat.PDF) for pair in product(TypeTableau, Liste)]
_SETTLED = [status for status in ExportStatus if status.is_terminal]
DELAYS = [error.code for error in (DiskFullError, TransientError, VolumeAbsentError, PrefectureError)]
_FAILURES = [*DELAYS, *(error.code for error in (ExportError, CountMismatchError, SchemaMismatchError))]
_FORMATS = [*((ExportKind.LISTE, format_) for format_ in Format), (ExportKind.TABLEAU, FileFormat.PDF)]


def _count_requests(samples: Samples, totals: Totals) -> None:
    samples.begin(metrics.REQUESTS, product([*REQUEST_TYPES.values(), OTHER_TYPE], RequestOutcome))
    for labels, sums in totals.items():
        samples.add(metrics.REQUESTS, labels, sums["number"])


def _count_notified(samples: Samples, notified: Totals, notifications: Totals) -> None:
    samples.begin(metrics.NOTIFICATION_DELAY, [()])
    samples.begin(metrics.NOTIFICATIONS, product(Channel, (SENT, REFUSED, SENT_PERHAPS_TWICE)))
    for sums in notified.values():
        samples.add(metrics.NOTIFICATION_DELAY, (), sums["seconds"])
    for labels, sums in notifications.items():
        samples.add(metrics.NOTIFICATIONS, labels, sums["number"])


def _count_exports(samples: Samples, totals: Totals) -> None:
    _begin_exports(samples)
    for (kind, tableau, liste, format_, status, code), sums in totals.items():
        samples.add(metrics.EXPORTS, (kind, tableau, liste, format_, status), sums["number"])
        if status == ExportStatus.FAILED:
            samples.add(metrics.FAILURES, (kind, code), sums["number"])
        elif status == ExportStatus.READY:
            _count_ready(samples, (kind, tableau, liste, format_), sums)


def _begin_exports(samples: Samples) -> None:
    files = [*_LISTES, *_TABLEAUX]
    samples.begin(metrics.EXPORTS, [(*labels, status) for labels, status in product(files, _SETTLED)])
    samples.begin(metrics.FAILURES, product(ExportKind, _FAILURES))
    samples.begin(metrics.ELECTEURS, product(Liste, Format))
    samples.begin(metrics.MOUVEMENTS, product(Liste, TypeTableau))
    samples.begin(metrics.ANOMALIES, product(ExportKind, Severity))
    for metric in (metrics.BYTES, metrics.DURATION, metrics.TURNAROUND):
        samples.begin(metric, _FORMATS)


def _count_ready(samples: Samples, file: tuple[str, str, str, str], sums: Sums) -> None:
    kind, tableau, liste, format_ = file
    if kind == ExportKind.LISTE:
        samples.add(metrics.ELECTEURS, (liste, format_), sums["electeurs"])
    else:
        samples.add(metrics.MOUVEMENTS, (liste, tableau), sums["electeurs"])
    samples.add(metrics.ANOMALIES, (kind, Severity.BLOCKING), sums["bloquantes"])
    samples.add(metrics.ANOMALIES, (kind, Severity.TO_COMPLETE), sums["a_completer"])
    samples.add(metrics.ANOMALIES, (kind, Severity.REMARK), sums["remarques"])
    for metric, name in ((metrics.BYTES, "bytes"), (metrics.DURATION, "duration"), (metrics.TURNAROUND, "turnaround")):
        samples.add(metric, (kind, format_), sums[name])


STATES = WAITING, DELAYED, RUNNING, ORPHANED = "waiting", "delayed", "running", "orphaned"
"""Queued; queued with a later due time; claimed; claimed by a worker whose lease has expired."""

_BULK = {0: "no", 1: "yes"}


def _measure_pending(samples: Samples, connection: Connection) -> None:
    samples.begin(metrics.UNFINISHED, product(ExportKind, _BULK.values(), STATES))
    samples.begin(metrics.OLDEST, product(ExportKind, _BULK.values()))
    samples.begin(metrics.DELAYED, product(DELAYS))
    now = utc_now()
    state = case(
        (Work.state == WorkState.DUE, case((Work.due_at > now, DELAYED), else_=WAITING)),
        (Work.lease_until <= now, ORPHANED),
        else_=RUNNING,
    )
    unfinished = (
        select(Work.kind, Work.lane, state.label("state"), Export.error_code, Export.created_at)
        .join(Export, Export.id == cast(func.substr(Work.subject, len("export:") + 1), BigInteger))
        .where(Work.kind.in_(FILES), is_open())
        .subquery()
    )
    keys = (unfinished.c.kind, unfinished.c.lane, unfinished.c.state, unfinished.c.error_code)
    age = seconds_between(func.min(unfinished.c.created_at), now)
    statement = select(*keys, func.count(), age).group_by(*keys)
    for kind, lane, file_state, code, number, seconds in connection.execute(statement):
        samples.add(metrics.UNFINISHED, (kind, _BULK[lane], file_state), [number])
        samples.raise_to(metrics.OLDEST, (kind, _BULK[lane]), seconds)
        if file_state == DELAYED:
            samples.add(metrics.DELAYED, (code,), [number])


def _measure_unnotified(samples: Samples, connection: Connection) -> None:
    """Set the number of requests whose notifications are late. Works of chats and webhooks are left out."""
    is_late = has_open(About.REQUEST, Request.id, [WorkKind.EVENT, WorkKind.RECIPIENTS, WorkKind.MAIL])
    age = seconds_between(func.min(Request.completed_at), utc_now())
    is_unnotified = Request.completed_at.is_not(None), Request.notified_at.is_(None)
    number, seconds = connection.execute(select(func.count(), age).where(*is_unnotified, is_late)).one()
    samples.set(metrics.UNNOTIFIED, number)
    samples.set(metrics.LAG, seconds or 0.0)


STATEMENT_SECONDS = 60
"""The longest time of one statement on PostgreSQL; a slower database counts as away."""

Queues = Callable[[], Iterable[tuple[str, int, int, int]]]
"""Returns each queue with its numbers of messages, readers and dead letters; raises TransientError without a broker."""


class Exporter(Collector):
    """Reads the database, the broker and the volume at each scrape."""

    def __init__(self, engine: Engine, queues: Queues, volume: Path) -> None:
        self._engine = engine
        self._queues = queues
        self._volume = volume
        self._lock = threading.Lock()
        self._requests = RunningTotals(REQUESTS)
        self._exports = RunningTotals(EXPORTS)
        self._notified = RunningTotals(NOTIFIED)
        self._notifications = RunningTotals(NOTIFICATIONS)

    def collect(self) -> Iterator[Family]:
        """Return the metrics of the parts that answer."""
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
            if self._volume.is_dir():
                room = os.statvfs(self._volume)
                gathered[0].set(metrics.FREE, room.f_bavail * room.f_frsize)
                gathered[0].set(metrics.SIZE, room.f_blocks * room.f_frsize)
            gathered[0].set(metrics.MEASURE, time.monotonic() - begun)
        return chain.from_iterable(samples.families() for samples in gathered)

    def _read_database(self) -> Samples:
        samples = Samples()
        with snapshot(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
            _count_requests(samples, self._requests.read(connection))
            _count_exports(samples, self._exports.read(connection))
            _count_notified(samples, self._notified.read(connection), self._notifications.read(connection))
            _measure_pending(samples, connection)
            _measure_unnotified(samples, connection)
        return samples

    def _read_broker(self) -> Samples:
        samples = Samples()
        for queue, messages, consumers, dead_letters in self._queues():
            samples.set(metrics.MESSAGES, messages, queue)
            samples.set(metrics.CONSUMERS, consumers, queue)
            samples.set(metrics.DEAD_LETTERS, dead_letters, queue)
        return samples


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
        raise ConfigurationError(f"PREFECTURE_METRICS_PORT : le port {port} ne peut pas servir ({reason})") from None
