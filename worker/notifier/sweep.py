"""Ring again for rows that wait without a message, and for rows whose worker died."""

import structlog
from sqlalchemy import Engine, and_, or_, select, update

from schemas.vocabulary import ExportStatus
from worker.bell import Bell, Ring
from worker.db.types import utc_now
from worker.exports.models import Export

GRACE_SECONDS = 30
"""How long a message that was sent is trusted to arrive."""

BATCH = 500

log = structlog.stdlib.get_logger(__name__)


def sweep(engine: Engine, ring: Ring, *, grace_seconds: float = GRACE_SECONDS, limit: int = BATCH) -> int:
    """Ring for the forgotten rows, those silent for longest first; returns how many rang.

    A row is marked before its doorbell rings, so that no other sweep rings it too. When the broker is away the mark is
    taken back: the next sweep tries again.
    """
    bells = _mark(engine, grace_seconds, limit)
    if not bells:
        return 0
    try:
        ring(bells)
    except Exception:
        log.warning("doorbell_failed", rows=len(bells), exc_info=True)
        with engine.begin() as connection:
            marked = Export.id.in_([bell.export_id for bell in bells])
            connection.execute(update(Export).where(marked).values(rung_at=None))
        return 0
    log.info("doorbell_rung_again", rows=len(bells))
    return len(bells)


def _mark(engine: Engine, grace_seconds: float, limit: int) -> list[Bell]:
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
    is_forgotten = Export.id.in_(select(forgotten.c.id))
    statement = update(Export).where(is_forgotten).values(rung_at=now).returning(Export.id, Export.kind)
    with engine.begin() as connection:
        return sorted(Bell.of(row.id, row.kind) for row in connection.execute(statement))
