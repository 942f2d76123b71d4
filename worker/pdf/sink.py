"""Where the file goes."""

from typing import Protocol


class Sink(Protocol):
    """A file being written."""

    def write(self, data: bytes, /) -> object:
        """Add bytes."""
