"""Ring again for rows that wait without a message, and for rows whose worker died."""

from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Engine, and_, or_, select, update

from schemas.vocabulary import ExportStatus
from worker.db.types import utc_now
from worker.exports.models import Export

Ring = Callable[[Sequence[int]], None]

GRACE_SECONDS = 30
"""How long a message that was sent is trusted to arrive."""

BATCH = 500

log = structlog.stdlib.get_logger(__name__)


def sweep(engine: Engine, ring: Ring, *, grace_seconds: float = GRACE_SECONDS, limit: int = BATCH) -> int:
    """Ring for the forgotten rows, those silent for longest first; returns how many rang.

    A row is marked before its doorbell rings, so that no other sweep rings it too. When the broker is away the mark is
    taken back: the next sweep tries again.
    """
    ids = _mark(engine, grace_seconds, limit)
    if not ids:
        return 0
    try:
        ring(ids)
    except Exception:
        log.warning("doorbell_failed", rows=len(ids), exc_info=True)
        with engine.begin() as connection:
            connection.execute(update(Export).where(Export.id.in_(ids)).values(rung_at=None))
        return 0
    log.info("doorbell_rung_again", rows=len(ids))
    return len(ids)


def _mark(engine: Engine, grace_seconds: float, limit: int) -> list[int]:
    now = utc_now()
    waiting = and_(Export.status == ExportStatus.QUEUED, or_(Export.not_before.is_(None), Export.not_before <= now))
    orphaned = and_(Export.status == ExportStatus.RUNNING, Export.lease_until <= now)
    silent = or_(
        Export.rung_at.is_(None),
        Export.rung_at <= utc_now(-grace_seconds),
        Export.rung_at < Export.not_before,
        Export.rung_at < Export.lease_until,
    )
    forgotten = (
        select(Export.id)
        .where(or_(waiting, orphaned), silent)
        .order_by(Export.rung_at.nulls_first(), Export.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("forgotten")
    )
    statement = update(Export).where(Export.id.in_(select(forgotten.c.id))).values(rung_at=now).returning(Export.id)
    with engine.begin() as connection:
        return sorted(connection.scalars(statement))
