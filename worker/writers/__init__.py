"""Writers: they write the electors of a list to the bytes of a file, one writer per format.

Each writer receives a sink for its bytes and reports how many electors it has written.
"""

from typing import Protocol


class Sink(Protocol):
    """A file being written."""

    def write(self, data: bytes) -> None:
        """Append `data` to the file."""


class Progress(Protocol):
    """Receives the number of electors written so far, every few hundred; may raise to stop the writer."""

    def __call__(self, written: int) -> None:
        """Record the number of electors written."""
