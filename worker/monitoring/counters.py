"""What is counted since ever: requests, files, requests notified, messages; each when nothing more changes in it.

Rows that are settled for good are read once, so that a look at a million costs as much as at few. Each figure then goes
to its metric, with those that are still nought: a counter that appeared with its first event would hide that event from
every rate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, product
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, case, func, select
from sqlalchemy.orm import InstrumentedAttribute

from schemas import topology
from schemas.tableaux import TypeTableau
from schemas.vocabulary import Channel, ExportKind, ExportStatus, FileFormat, Format, Liste, RequestOutcome, Severity
from worker.db.types import seconds_between, utc_now
from worker.errors import (
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

MARGIN = timedelta(minutes=10)
"""A row may be seen so long after the instant it bears, at most: that of a transaction that is slow to commit."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

Sums = dict[str, list[float]]
"""By name: one figure, or those of a histogram."""

Totals = dict[tuple[str, ...], Sums]


@dataclass(frozen=True)
class CountedRows:
    """Rows that never change once they have their moment, which has an index."""

    rows: Select[*tuple[Any, ...]]
    moment: InstrumentedAttribute[Any]
    keys: Sequence[str]
    """The columns of `rows` that they are counted by."""
    sums: Callable[[FromClause], Mapping[str, Sequence[ColumnElement[Any]]]]
    """What is summed of `rows`, by name."""


class RunningTotals:
    """The totals of rows since ever.

    Rows older than the margin are added to closed totals, which are kept in memory and only ever grow: what is
    removed from the tables later stays counted until the next start.
    """

    def __init__(self, counted: CountedRows) -> None:
        self._counted = counted
        self._closed: Totals = {}
        self._until = _BEGINNING

    def read(self, connection: Connection) -> Totals:
        """The totals as the connection's transaction sees them."""
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
"""An event may bear any type, a label may not."""

SENT, REFUSED, SENT_PERHAPS_TWICE = "sent", "refused", "sent_perhaps_twice"
"""What becomes of a message."""


def _count(_rows: FromClause) -> Mapping[str, Sequence[ColumnElement[Any]]]:
    return {"number": [func.count()]}


def _histogram(seconds: ColumnElement[Any], bounds: Sequence[float]) -> list[ColumnElement[Any]]:
    """How many took at most each bound, how many in all, and the sum."""
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
    ).where(Request.event_type.not_in((*topology.DECLARATION_TYPES, topology.SCREEN_NOTE))),  # they cause no mail
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


def count_requests(samples: Samples, totals: Totals) -> None:
    """Requests, by what became of them when they were read."""
    samples.begin(metrics.REQUESTS, product([*REQUEST_TYPES.values(), OTHER_TYPE], RequestOutcome))
    for labels, sums in totals.items():
        samples.add(metrics.REQUESTS, labels, sums["number"])


def count_notified(samples: Samples, notified: Totals, notifications: Totals) -> None:
    """How long people waited to be notified, and what became of the messages."""
    samples.begin(metrics.NOTIFICATION_DELAY, [()])
    samples.begin(metrics.NOTIFICATIONS, product(Channel, (SENT, REFUSED, SENT_PERHAPS_TWICE)))
    for sums in notified.values():
        samples.add(metrics.NOTIFICATION_DELAY, (), sums["seconds"])
    for labels, sums in notifications.items():
        samples.add(metrics.NOTIFICATIONS, labels, sums["number"])


def count_exports(samples: Samples, totals: Totals) -> None:
    """Files, and what is in those that are ready."""
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
