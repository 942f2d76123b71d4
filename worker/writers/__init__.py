"""Writers: they write the electors of a list to the bytes of a file, one writer per format.

Each writer receives a sink for its bytes and reports how many electors it has written.
"""

from collections.abc import Callable

Progress = Callable[[int], object]
"""Receives the number of electors written so far, every few hundred; may raise to stop the writer."""
