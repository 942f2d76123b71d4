"""Sending a batch: many requests at a time, and a broker that leaves in the middle is waited for."""

import time
from collections.abc import Callable

from producers import errors
from producers.batch.batch import Batch
from producers.publisher import Publisher

TOGETHER = 100
"""How many requests are sent before the broker's confirms are waited for."""

PATIENCE_SECONDS = 60.0
"""How long a broker that left is waited for: its restart does not end a batch."""

_PASSING = (errors.BrokerAwayError, errors.BrokerBlockedError, errors.UnconfirmedError)


def send_batch(batch: Batch, publisher: Publisher, show: Callable[[int], None]) -> None:
    """Send every request; `show` is told how many the broker holds so far.

    Raises:
        PublishError: no request was taken.
        BatchInterruptedError: the broker holds a part of the batch, and did not take the rest.
    """
    sent = 0
    give_up_at = 0.0
    while chunk := batch.events[sent : sent + TOGETHER]:
        try:
            publisher.publish(*chunk)
        except errors.PublishError as error:
            if not sent:
                raise
            give_up_at = give_up_at or time.monotonic() + PATIENCE_SECONDS
            if not isinstance(error, _PASSING) or time.monotonic() > give_up_at:
                raise _interrupted(batch, sent, error) from None
        else:
            sent += len(chunk)
            give_up_at = 0.0
            show(sent)


def _interrupted(batch: Batch, sent: int, error: errors.PublishError) -> errors.BatchInterruptedError:
    return errors.BatchInterruptedError(
        f"{sent} demandes sur {len(batch.events)} sont parties, les autres non : {error}. Pour reprendre : la même "
        f"commande avec --resume {batch.name}"
    )
