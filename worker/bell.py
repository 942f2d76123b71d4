"""The doorbell of a row: which row, which kind of file, and whether it is of a batch: each has its own queue."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

from schemas.vocabulary import ExportKind


class Bell(NamedTuple):
    """What rings."""

    export_id: int
    kind: ExportKind
    is_bulk: bool = False

    @classmethod
    def of(cls, export_id: int, kind: str, is_bulk: bool) -> Self:  # noqa: FBT001 — columns, in their order
        """The bell of a row, from its columns."""
        return cls(export_id, ExportKind(kind), is_bulk)


Ring = Callable[[Sequence[Bell]], None]
"""Rings the doorbell of rows; may raise when the broker is away: the sweep rings again."""

Count = Callable[[], Mapping[tuple[ExportKind, bool], int]]
"""How many doorbells wait at the broker, by kind of file and whether of a batch; may raise when it is away."""
