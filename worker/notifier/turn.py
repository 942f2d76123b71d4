"""How a turn of telling ends, for a request as for a reminder: its events leave, its row is told or put off."""

from collections.abc import Callable, Iterable

import structlog
from sqlalchemy import Update

from schemas.envelope import CloudEvent
from worker.db.engine import Sessions
from worker.notifier.dispatch import Outcome
from worker.notifier.outbox import Claim, Outbox

Publish = Callable[[CloudEvent], None]

log = structlog.stdlib.get_logger(__name__)


def publish_missing(
    missing: Iterable[tuple[CloudEvent, Update]],
    publish: Publish | None,
    sessions: Sessions,
    before_each: Callable[[], None],
) -> bool:
    """Publish the events that have not left, each recorded at once by its update; False when one cannot leave now.

    `publish` is None where no program listens to the exchange; `before_each` may raise LeaseLostError.
    """
    if publish is None:
        return True
    for event, published in missing:
        before_each()
        try:
            publish(event)
        except Exception:
            log.warning("event_delayed", exc_info=True)
            return False
        with sessions.begin() as session:
            session.execute(published)
        log.info("event_published", type=event.type, export_id=event.data.get("export_id"))
    return True


def end_turn(outbox: Outbox, claim: Claim, outcome: Outcome, *, is_published: bool) -> float | None:
    """Mark the row told once nobody and nothing waits; else put it off: in how many seconds.

    Raises:
        LeaseLostError: another notifier has taken the row over.
    """
    if outcome.is_done and is_published:
        outbox.mark_told(claim)
        return None
    seconds = outcome.delay if is_published else min(claim.delay, outcome.delay or claim.delay)
    outbox.postpone(claim, seconds)
    return seconds
