"""The messages that tell a worker which row to process."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

from schemas.vocabulary import ExportKind


class Doorbell(NamedTuple):
    """The number of a row of `export`. Each kind of file has its queue, and batches have queues of their own."""

    export_id: int
    kind: ExportKind
    is_bulk: bool = False

    @classmethod
    def of(cls, export_id: int, kind: str, is_bulk: bool) -> Self:  # noqa: FBT001 — columns, in their order
        """Build it from the columns of a row."""
        return cls(export_id, ExportKind(kind), is_bulk)


class PreviewDoorbell(NamedTuple):
    """The number of a row of `preview`: an export of the REU, or a correction."""

    preview_id: int


Enqueue = Callable[[Sequence[Doorbell]], None]
"""Enqueues rows; raises when the broker is away, and the sweep enqueues them later."""

EnqueueAny = Callable[[Sequence[Doorbell | PreviewDoorbell]], None]
"""The same, for doorbells of both kinds."""

EnqueueParked = Callable[[Sequence[int]], None]
"""Enqueues deferred events by their numbers; raises as `Enqueue` does."""

CountEnqueued = Callable[[], Mapping[tuple[ExportKind, bool], int]]
"""How many doorbells wait at the broker, by kind of file and whether of a batch; may raise when it is away."""
