"""How files that nobody wants any more end: whoever makes one finds the row in other hands, and publishes nothing."""

from collections.abc import Sequence

from sqlalchemy import Connection, update

from schemas.vocabulary import ExportStatus
from worker.db.notify import notify_ready
from worker.db.types import utc_now
from worker.exports.models import Export

CANCELLED_CODE = "annule"

_UNFINISHED = [status for status in ExportStatus if not status.is_terminal]


def cancel_exports(connection: Connection, export_ids: Sequence[int], reason: str) -> int:
    """Cancel those of the rows that wait or are worked on, with the reason that a clerk reads; how many they were."""
    unfinished = Export.id.in_(export_ids) & Export.status.in_(_UNFINISHED)
    cancelled = connection.execute(
        update(Export)
        .where(unfinished)
        .values(
            status=ExportStatus.CANCELLED,
            owner=None,
            lease_until=None,
            not_before=None,
            finished_at=utc_now(),
            error_code=CANCELLED_CODE,
            error_message=reason,
        )
    )
    notify_ready(connection)
    return cancelled.rowcount
