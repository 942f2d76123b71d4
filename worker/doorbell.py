"""The message about a row that a worker is to work on."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Doorbell(NamedTuple):
    """The id of a row, and the queue of its message: that of a kind of work, and whether of a batch."""

    row_id: int
    kind: str
    is_bulk: bool = False


Enqueue = Callable[[Sequence[Doorbell]], None]
"""Sends messages to the broker; raises when the broker is away: the sweep sends them again."""

CountEnqueued = Callable[[], Mapping[tuple[str, bool], int]]
"""Counts the messages that wait at the broker, by kind of work and whether of a batch; raises when it is away."""
