"""What the broker is asked, by a callable: monitoring knows no broker."""

from collections.abc import Callable, Iterable
from typing import Protocol


class Queue(Protocol):
    """What the broker says of one of our queues."""

    @property
    def queue(self) -> str:
        """Its name."""

    @property
    def messages(self) -> int:
        """How many wait."""

    @property
    def consumers(self) -> int:
        """How many processes read it."""

    @property
    def dead_letters(self) -> int:
        """How many were put aside."""


Queues = Callable[[], Iterable[Queue]]
"""Asks for each queue; raises TransientError when the broker is away."""
