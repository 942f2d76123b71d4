"""When the doorbell of a row last rang."""

from collections.abc import Iterable

from sqlalchemy import Engine, update

from worker.bell import Bell
from worker.exports.models import Export


def forget_ringing(engine: Engine, bells: Iterable[Bell]) -> None:
    """Take back that these doorbells rang, since the broker was away: the next sweep rings them."""
    rows = Export.id.in_([bell.export_id for bell in bells])
    with engine.begin() as connection:
        connection.execute(update(Export).where(rows).values(rung_at=None))
