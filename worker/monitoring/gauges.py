"""What is under way now: files that are not settled, requests that are not notified, room in the exports volume."""

import os
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, not_, or_, select

from schemas.vocabulary import ExportKind, ExportStatus
from worker.db.types import seconds_between, utc_now
from worker.exports.models import Export, Request
from worker.exports.records import IS_UNFINISHED, LEASE
from worker.monitoring import metrics
from worker.monitoring.counters import DELAYS, SETTLED_AT
from worker.monitoring.metrics import Samples
from worker.notifier.kinds import Channel
from worker.notifier.models import Notification
from worker.notifier.outbox import is_settled

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
    """Requests that are settled and not notified: how many, and seconds since the first of them was settled."""

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
    """Requests that are settled and not notified."""
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
    unnotified = (
        select(SETTLED_AT.label("settled_at"))
        .outerjoin(Export, Export.request_id == Request.id)
        .where(Request.told_at.is_(None), is_settled(Request), not_(_waits_for_others()))
        .group_by(Request.id)
        .subquery()
    )
    age = seconds_between(func.min(unnotified.c.settled_at), utc_now())
    number, seconds = connection.execute(select(func.count(), age).select_from(unnotified)).one()
    return Unnotified(number, seconds or 0.0)


def _waits_for_others() -> ColumnElement[bool]:
    """Whether every agent was notified and every event has left: what waits is a chat or a webhook."""
    waiting = (
        select(Notification.id)
        .where(Notification.request_id == Request.id, Notification.settled_at.is_(None))
        .correlate(Request)
    )
    is_mail = Notification.channel == Channel.MAIL
    was_tried = Notification.attempts > 0
    unsaid = select(Export.id).where(Export.request_id == Request.id, Export.published_at.is_(None)).correlate(Request)
    is_unsaid = or_(Request.announced_at.is_(None), unsaid.exists())
    return and_(waiting.where(~is_mail, was_tried).exists(), ~waiting.where(is_mail).exists(), not_(is_unsaid))


def read_room(volume: Path) -> Iterator[tuple[int, int]]:
    """Bytes that files may still take, and bytes of the volume; nothing where it is not mounted."""
    if volume.is_dir():
        room = os.statvfs(volume)
        yield room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
