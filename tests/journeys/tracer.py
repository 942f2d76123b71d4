"""The product files that a piece of work passes through."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[2]
PRODUCT = ("schemas", "common", "producers", "worker")

_IMPORTED = "<module>"
BACKGROUND = "background"
"""The threads of the housekeeping, which belong to no request."""
CHORES = "worker/housekeeping/housekeeping.py"
"""The periodic work of a single process, between requests."""


class Tracer:
    """Product files in order of first entry."""

    def __init__(self) -> None:
        self._entered: dict[int, dict[str, None]] = {}
        self._known: dict[str, str] = {}
        self._imports: Counter[int] = Counter()
        self._is_paused = False

    @property
    def files(self) -> list[str]:
        """Paths from the repository's root, in order of first entry, thread after thread."""
        return list(dict.fromkeys(chain.from_iterable(self._entered.values())))

    @contextmanager
    def trace(self) -> Iterator[None]:
        """Trace this thread, and those that start meanwhile."""
        threading.setprofile(self._notice)
        sys.setprofile(self._notice)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Count nothing inside the block; threads that start in it are traced afterwards."""
        was_paused, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = was_paused

    def _notice(self, frame: FrameType, event: str, _: Any) -> None:  # noqa: ANN401 — as sys.setprofile wants it
        thread = threading.get_ident()
        if frame.f_code.co_name == _IMPORTED:
            self._imports[thread] += {"call": 1, "return": -1}.get(event, 0)
        elif self._is_paused or event != "call" or self._imports[thread] or _is_by_the_clock():
            return
        elif (file := self._file_of(frame)) and CHORES not in (file, *self._files_above(frame)):
            self._entered.setdefault(thread, {}).setdefault(file)

    def _files_above(self, frame: FrameType) -> Iterator[str]:
        above = frame.f_back
        while above:
            yield self._file_of(above)
            above = above.f_back

    def _file_of(self, frame: FrameType) -> str:
        """The product file of a function; empty for the functions of libraries."""
        name = frame.f_code.co_filename
        if name not in self._known:
            path = Path(name)
            inside = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path()
            is_product = path.suffix == ".py" and inside.parts[:1] in {(folder,) for folder in PRODUCT}
            self._known[name] = inside.as_posix() if is_product else ""
        return self._known[name]


def _is_by_the_clock() -> bool:
    return threading.current_thread().name == BACKGROUND
