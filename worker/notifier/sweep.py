"""Enqueue again for rows that wait without a message, and for rows whose worker died.

A row may wait for long because its queue is long: its message is still there. So a row that rang once rings again only
where the broker holds fewer messages than rows wait for, and only as many rows as messages lack, those silent for
longest first. A queue keeps its order and who rings joins its end, so that a row whose message was lost becomes the
oldest: at the latest when all that stood in the queue has been served.
"""

import structlog
from sqlalchemy import Engine

from worker.db.engine import snapshot
from worker.doorbell import CountEnqueued, Enqueue
from worker.exports.records import count_waiting, mark_enqueued, take_back_enqueued
from worker.notifier.outage import Outage

GRACE_SECONDS = 30
"""How long a message that was sent is trusted to arrive."""

BATCH = 500

log = structlog.stdlib.get_logger(__name__)


def sweep(
    engine: Engine,
    ring: Enqueue,
    outage: Outage | None = None,
    *,
    count: CountEnqueued | None = None,
    grace_seconds: float = GRACE_SECONDS,
    limit: int = BATCH,
) -> int:
    """Enqueue the forgotten rows, at most `limit` of a queue; returns how many they were.

    A row is marked before it is enqueued, so that no other sweep takes it too. When the broker is away the mark is
    taken back: the next sweep tries again, and `outage` keeps count of it. Without `count`, every row that has been
    silent for the grace is taken for forgotten.
    """
    outage = outage or Outage("doorbell")
    with snapshot(engine) as connection:
        waiting = count_waiting(connection, grace_seconds)
    try:
        held = count() if count and waiting else {}
    except Exception as error:  # noqa: BLE001 — whatever the broker's trouble, the next sweep asks again
        outage.note(error)
        return 0
    if held:
        outage.end()
    lost = {queue: rows - held.get(queue, 0) for queue, rows in waiting.items() if rows > held.get(queue, 0)}
    with engine.begin() as connection:
        doorbells = mark_enqueued(connection, lost, grace_seconds=grace_seconds, limit=limit)
    if not doorbells:
        return 0
    try:
        ring(doorbells)
    except Exception as error:  # noqa: BLE001 — whatever the broker's trouble, the next sweep rings again
        outage.note(error)
        take_back_enqueued(engine, doorbells)
        return 0
    outage.end()
    log.info("doorbell_rung_again", rows=len(doorbells))
    return len(doorbells)
