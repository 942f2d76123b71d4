"""The doorbell of a row: which row, and which kind of file it asks for, since each kind has its own queue."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from schemas.vocabulary import ExportKind


class Bell(NamedTuple):
    """What rings."""

    export_id: int
    kind: ExportKind

    @classmethod
    def of(cls, export_id: int, kind: str) -> Self:
        """The bell of a row, from its columns."""
        return cls(export_id, ExportKind(kind))


Ring = Callable[[Sequence[Bell]], None]
"""Rings the doorbell of rows; may raise when the broker is away: the sweep rings again."""
