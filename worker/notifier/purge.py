"""The purge by the notifier's clock: once an hour, a few files at a time, whenever there is nobody to tell."""

import time
from collections.abc import Callable, Iterator

import structlog

from worker.exports.purge import Purged
from worker.notifier.outage import Outage

HOUR_SECONDS = 3600

log = structlog.stdlib.get_logger(__name__)


class PurgeClock:
    """`purge` begins a purge, and does a step each time it is asked for the next."""

    def __init__(self, purge: Callable[[], Iterator[Purged]], seconds: float = HOUR_SECONDS) -> None:
        self._purge = purge
        self._seconds = seconds
        self._steps: Iterator[Purged] = iter(())
        self._next = 0.0
        self._outage = Outage("purge")

    def turn(self) -> None:
        """Do one step of the purge, when it is time; what goes wrong is said, and tried again at the next hour."""
        try:
            step = next(self._steps, None) or self._begin()
        except Exception as error:  # noqa: BLE001 — files that cannot be purged keep nobody from being told
            self._steps = iter(())
            self._outage.note(error)
            return
        if step and any(step):
            log.info("files_purged", **step._asdict())

    def _begin(self) -> Purged | None:
        """The first step of a new purge, when the hour has come."""
        if time.monotonic() < self._next:
            return None
        self._next = time.monotonic() + self._seconds
        self._steps = self._purge()
        step = next(self._steps, None)
        self._outage.end()
        return step
