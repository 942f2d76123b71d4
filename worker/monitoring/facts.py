"""What is counted since ever: requests, files, requests told, messages; each when nothing more changes in it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, case, func, select

from schemas import topology
from worker.db.types import seconds_between
from worker.exports.models import Export, Request
from worker.monitoring.ledger import Facts
from worker.monitoring.metrics import DURATION, TELLING, TURNAROUND
from worker.notifier.models import Notification

REQUEST_TYPES = {event_type: event_type.split(".")[-2] for event_type in topology.REQUEST_TYPES}
OTHER_TYPE = "other"
"""An event may bear any type, a label may not."""

SENT, REFUSED = "sent", "refused"
"""What becomes of a message."""

_SIZE = func.coalesce(Export.size, 0) + func.coalesce(Export.report_size, 0)
SETTLED_AT = func.coalesce(func.max(Export.finished_at), Request.created_at)
"""Of a request joined to its files, grouped by request; one that was refused is settled when it is read."""


Sums = Mapping[str, Sequence[ColumnElement[Any]]]


def _count(_rows: FromClause) -> Sums:
    return {"number": [func.count()]}


def _histogram(seconds: ColumnElement[Any], bounds: Sequence[float]) -> list[ColumnElement[Any]]:
    """How many took at most each bound, how many in all, and the sum."""
    return [*(func.count().filter(seconds <= bound) for bound in bounds), func.count(), func.sum(seconds)]


def _sum_exports(rows: FromClause) -> Sums:
    return {
        "number": [func.count()],
        **{name: [func.sum(rows.c[name])] for name in ("electeurs", "bytes", "bloquantes", "remarques")},
        "duration": _histogram(rows.c.duration, DURATION.bounds),
        "turnaround": _histogram(rows.c.turnaround, TURNAROUND.bounds),
    }


REQUESTS = Facts(
    rows=select(case(REQUEST_TYPES, value=Request.event_type, else_=OTHER_TYPE).label("type"), Request.outcome),
    moment=Request.created_at,
    keys=["type", "outcome"],
    sums=_count,
)

EXPORTS = Facts(
    rows=select(
        *(Export.kind, Export.type_tableau, Export.liste, Export.format, Export.status, Export.error_code),
        *(Export.electeurs, _SIZE.label("bytes"), Export.bloquantes, Export.remarques),
        seconds_between(Export.started_at, Export.finished_at).label("duration"),
        seconds_between(Export.created_at, Export.finished_at).label("turnaround"),
    ),
    moment=Export.finished_at,
    keys=["kind", "type_tableau", "liste", "format", "status", "error_code"],
    sums=_sum_exports,
)

TOLD = Facts(
    rows=select(seconds_between(SETTLED_AT, Request.told_at).label("seconds"))
    .outerjoin(Export, Export.request_id == Request.id)
    .where(Request.event_type.not_in(topology.DECLARATION_TYPES))  # nobody waits to be told of them
    .group_by(Request.told_at, Request.id),
    moment=Request.told_at,
    keys=[],
    sums=lambda rows: {"seconds": _histogram(rows.c.seconds, TELLING.bounds)},
)

NOTIFICATIONS = Facts(
    rows=select(Notification.channel, case((Notification.refusal != "", REFUSED), else_=SENT).label("outcome")),
    moment=Notification.settled_at,
    keys=["channel", "outcome"],
    sums=_count,
)
