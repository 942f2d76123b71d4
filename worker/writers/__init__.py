"""Writers: from the register to the bytes of a file, one per format.

Each is given where to put its bytes, and says of its progress how many electors were written.
"""

from typing import Protocol


class Sink(Protocol):
    """A file being written."""

    def write(self, data: bytes) -> None:
        """Add bytes."""


class Progress(Protocol):
    """Told the number of electors written so far, every few hundred; may raise to stop the writer."""

    def __call__(self, written: int) -> None:
        """Take note."""
