"""Ring again for rows that wait without a message, and for rows whose worker died.

A row may wait for long because its queue is long: its message is still there. So a row that rang once rings again only
where the broker holds fewer messages than rows wait for, and only as many rows as messages lack, those silent for
longest first. A queue keeps its order and who rings joins its end, so that a row whose message was lost becomes the
oldest: at the latest when all that stood in the queue has been served.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import structlog
from sqlalchemy import ColumnElement, Engine, and_, func, not_, or_, select, update

from schemas.vocabulary import ExportKind, ExportStatus
from worker.bell import Bell, Count, Ring
from worker.db.engine import snapshot
from worker.db.types import utc_now
from worker.exports.models import Export
from worker.exports.rung import forget_ringing
from worker.notifier.outage import Outage

GRACE_SECONDS = 30
"""How long a message that was sent is trusted to arrive."""

BATCH = 500

log = structlog.stdlib.get_logger(__name__)

_Queue = tuple[ExportKind, bool]


class _Group(NamedTuple):
    """Rows that may ring, and how many of them do at most."""

    rows: ColumnElement[bool]
    number: int


def sweep(
    engine: Engine,
    ring: Ring,
    outage: Outage | None = None,
    *,
    count: Count | None = None,
    grace_seconds: float = GRACE_SECONDS,
    limit: int = BATCH,
) -> int:
    """Ring for the forgotten rows, at most `limit` of a queue; returns how many rang.

    A row is marked before its doorbell rings, so that no other sweep rings it too. When the broker is away the mark is
    taken back: the next sweep tries again, and `outage` keeps count of it. Without `count`, every row that has been
    silent for the grace is taken for forgotten.
    """
    outage = outage or Outage("doorbell")
    waiting = _count_waiting(engine, grace_seconds)
    try:
        held = count() if count and waiting else {}
    except Exception as error:  # noqa: BLE001 — whatever the broker's trouble, the next sweep asks again
        outage.note(error)
        return 0
    if held:
        outage.end()
    bells = _mark(engine, list(_find_forgotten(waiting, held, grace_seconds, limit)))
    if not bells:
        return 0
    try:
        ring(bells)
    except Exception as error:  # noqa: BLE001 — whatever the broker's trouble, the next sweep rings again
        outage.note(error)
        forget_ringing(engine, bells)
        return 0
    outage.end()
    log.info("doorbell_rung_again", rows=len(bells))
    return len(bells)


def _count_waiting(engine: Engine, grace_seconds: float) -> dict[_Queue, int]:
    """How many rows wait for an answer to their doorbell, of each queue where one has been silent for the grace."""
    query = (
        select(Export.kind, Export.is_bulk, func.count())
        .where(_is_due(), not_(_has_to_ring()))
        .group_by(Export.kind, Export.is_bulk)
        .having(func.min(Export.rung_at) <= utc_now(-grace_seconds))
    )
    with snapshot(engine) as connection:
        return {(ExportKind(kind), is_bulk): rows for kind, is_bulk, rows in connection.execute(query)}


def _find_forgotten(
    waiting: Mapping[_Queue, int], held: Mapping[_Queue, int], grace_seconds: float, limit: int
) -> Iterator[_Group]:
    yield _Group(_has_to_ring(), limit)
    for queue, rows in waiting.items():
        kind, is_bulk = queue
        if (lost := rows - held.get(queue, 0)) > 0:
            silent = Export.rung_at <= utc_now(-grace_seconds)
            yield _Group(and_(Export.kind == kind, Export.is_bulk == is_bulk, silent), min(lost, limit))


def _is_due() -> ColumnElement[bool]:
    """Somebody could work on the row now."""
    waiting = and_(
        Export.status == ExportStatus.QUEUED, or_(Export.not_before.is_(None), Export.not_before <= utc_now())
    )
    return or_(waiting, and_(Export.status == ExportStatus.RUNNING, Export.lease_until <= utc_now()))


def _has_to_ring() -> ColumnElement[bool]:
    """The doorbell never rang, or not since the row may be worked on again."""
    return or_(
        Export.rung_at.is_(None),
        func.coalesce(Export.rung_at < Export.not_before, False),
        func.coalesce(Export.rung_at < Export.lease_until, False),
    )


def _mark(engine: Engine, groups: list[_Group]) -> list[Bell]:
    bells: set[Bell] = set()
    with engine.begin() as connection:
        for group in groups:
            forgotten = (
                select(Export.id)
                .where(_is_due(), group.rows)
                .order_by(Export.rung_at.nulls_first(), Export.id)
                .limit(group.number)
                .with_for_update(skip_locked=True)
                .cte("forgotten")
            )
            rows = connection.execute(
                update(Export)
                .where(Export.id.in_(select(forgotten.c.id)))
                .values(rung_at=utc_now())
                .returning(Export.id, Export.kind, Export.is_bulk)
            )
            bells.update(Bell.of(*row) for row in rows)
    return sorted(bells)
