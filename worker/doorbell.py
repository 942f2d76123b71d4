"""The doorbell of a row: a message that says which row, and of which kind."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

from schemas.vocabulary import ExportKind


class Doorbell(NamedTuple):
    """What a worker is sent: the number of a row. Each kind of file has its queue, and those of batches one apart."""

    export_id: int
    kind: ExportKind
    is_bulk: bool = False

    @classmethod
    def of(cls, export_id: int, kind: str, is_bulk: bool) -> Self:  # noqa: FBT001 — columns, in their order
        """The doorbell of a row, from its columns."""
        return cls(export_id, ExportKind(kind), is_bulk)


class PreviewDoorbell(NamedTuple):
    """Of an export of the REU that has arrived: something is to be done with it, the row says what."""

    preview_id: int


Enqueue = Callable[[Sequence[Doorbell]], None]
"""Hands doorbells to the broker; may raise when it is away: the sweep does it again."""

EnqueueAny = Callable[[Sequence[Doorbell | PreviewDoorbell]], None]
"""The same, for doorbells of both kinds."""

EnqueueParked = Callable[[Sequence[int]], None]
"""Hands over the numbers of parked events that a worker is to look at; may raise as well."""

CountEnqueued = Callable[[], Mapping[tuple[ExportKind, bool], int]]
"""How many doorbells wait at the broker, by kind of file and whether of a batch; may raise when it is away."""
