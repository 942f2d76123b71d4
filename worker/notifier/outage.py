"""Saying that something is away without filling the log: at once, then each minute, then that it is back."""

import time
from collections.abc import Callable

import structlog

from common.logs import describe_exception

SILENCE_SECONDS = 60

log = structlog.stdlib.get_logger(__name__)


class Outage:
    """The trouble of one thing, which its lines name."""

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._began = self._said = 0.0
        self._times = 0

    def note(self, error: Exception) -> None:
        """It failed: a line now, unless one was written less than a minute ago."""
        now = self._clock()
        is_first = self._times == 0
        self._times += 1
        if is_first:
            self._began = now
        if is_first or now >= self._said + SILENCE_SECONDS:
            self._said = now
            log.error("outage", **describe_exception(error), **self._so_far(now))

    def end(self) -> None:
        """It works; a line when it did not before."""
        if self._times:
            log.info("outage_over", **self._so_far(self._clock()))
            self._times = 0

    def _so_far(self, now: float) -> dict[str, str | int]:
        return {"what": self._what, "seconds": round(now - self._began), "times": self._times}
