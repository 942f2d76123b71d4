"""The liveness of a process: a file whose age is that of the last heartbeat and whose text names what is missing.

A process locks its file while it lives, so that `common/healthy.sh`, which reads the files, ignores that of a dead one.
"""

import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

import structlog

log = structlog.get_logger()

Beat = Callable[[str], None]
"""A heartbeat; the text names in French what the process lacks, and is empty when the process is ready."""


class Role(StrEnum):
    """The processes that have a liveness file."""

    WORKER = "worker"
    NOTIFIER = "notifier"


SILENCE_SECONDS = {Role.WORKER: 30, Role.NOTIFIER: 120}
"""A process without a heartbeat for so long counts as stuck, here and in `common/healthy.sh`."""


STUCK, EXHAUSTED = os.EX_SOFTWARE, os.EX_OSERR
"""The exit codes of a process that hangs, and of one that lacks descriptors or memory."""

EXHAUSTED_LOOKS = 3
"""Consecutive checks: a shortage of a moment does not end the process."""

START_CHECKS = 20
"""Consecutive checks, one a second, after which a thread that has not started counts as stuck."""


class Pulse:
    """The liveness file of this process. If the folder cannot be written, the process logs that once and continues."""

    def __init__(self, folder: Path, role: Role) -> None:
        self._folder, self._role = folder, role
        self._path = folder
        self._descriptor: int | None = None
        self._is_lost = False
        self.signs = 0
        """The number of heartbeats."""

    def beat(self, lack: str = "") -> None:
        """Renew the file."""
        self.signs += 1
        if self._is_lost:
            return
        try:
            self._write(lack)
        except OSError as error:
            self._is_lost = True
            log.warning("health_not_written", error=type(error).__name__)

    def stop(self) -> None:
        """Delete the liveness file."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, lack: str) -> None:
        descriptor = self._descriptor
        if (
            descriptor is None or os.fstat(descriptor).st_nlink == 0
        ):  # deleted, as old files in /tmp are
            self.stop()
            self._path = self._folder / f"{self._role}-{uuid4().hex[:12]}"
            self._folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640)
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # a reader tests this lock without acquiring it
        text = lack.encode()
        os.pwrite(descriptor, text, 0)
        os.ftruncate(descriptor, len(text))
        os.utime(descriptor)


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` at SIGTERM and SIGINT; a second signal ends the process at once."""

    def ask(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        threading.Thread(target=stop.set).start()  # this thread may hold the lock of `stop`

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)


class ThreadStarts:
    """Finds threads that never start: without memory, `Thread.start()` waits for such a thread for ever."""

    def __init__(self) -> None:
        self._checks: dict[threading.Thread, int] = {}

    def are_stuck(self) -> bool:
        """Whether a thread has not started in START_CHECKS consecutive checks, of which this call is one."""
        # Before Python 3.13, a thread that was created before a fork and started after it is never "alive".
        running = sys._current_frames()  # noqa: SLF001 — documented by Python
        waiting = [
            it for it in threading.enumerate() if not it.is_alive() and it.ident not in running
        ]
        self._checks = {thread: self._checks.get(thread, 0) + 1 for thread in waiting}
        return max(self._checks.values(), default=0) >= START_CHECKS


@dataclass
class Watchdog:
    """Checks each second whether the loop of the process gives heartbeats, and ends the process when it does not.

    It counts its own checks, not seconds: a process that was suspended as a whole is not ended.
    """

    pulse: Pulse
    silence_seconds: int
    lacks: Callable[[], bool]
    period_seconds: float = 1.0
    is_exhausted: bool = False
    """Whether the watchdog stopped the process because it lacks resources."""

    def start(self) -> None:
        """Start the thread, which ends with the process."""
        threading.Thread(target=self._look, name="watchdog", daemon=True).start()

    def _look(self) -> None:
        seen, silent, exhausted, starts = self.pulse.signs, 0, 0, ThreadStarts()
        while True:
            time.sleep(self.period_seconds)
            signs = self.pulse.signs
            silent = silent + 1 if signs == seen else 0
            seen = signs
            if silent > self.silence_seconds or starts.are_stuck():
                log.critical("process_stuck")
                os._exit(STUCK)
            exhausted = exhausted + 1 if self.lacks() else 0
            if exhausted >= EXHAUSTED_LOOKS and not self.is_exhausted:
                log.critical("process_exhausted")
                self.is_exhausted = True
                os.kill(os.getpid(), signal.SIGTERM)


def ignore(_lack: str) -> None:
    """A heartbeat without a file."""
