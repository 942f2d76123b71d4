"""The message that tells a worker to process a row."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

BULK_TURN = 5
"""Of so many messages or claims, one is of a batch, if one waits."""


class Doorbell(NamedTuple):
    """The id of a row, the kind of its work, and whether it is of a batch; the last two choose the queue."""

    row_id: int
    kind: str
    is_bulk: bool = False


Enqueue = Callable[[Sequence[Doorbell]], None]
"""Sends messages to the broker; raises when the broker is away: the sweep sends these messages later."""

CountEnqueued = Callable[[], Mapping[tuple[str, bool], int]]
"""Counts the messages in the queues, by kind of work and whether of a batch; raises when the broker is away."""
