"""The lease on a row with its heartbeat. The clock of a lease is the database's."""

import _thread
import os
import socket
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Self
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from worker.error_policy import conclude, is_waited_for, lacks_descriptors
from worker.errors import LeaseLostError

PULSE_SECONDS = 1.0
"""Seconds between two records of the progress on the row."""

STILL_SECONDS = 120.0
"""How long a step may report no progress; the electors of a list of a million are counted in less."""

START_SECONDS = 30.0
"""How long the thread of a heartbeat may take to start."""

log = structlog.get_logger()


def new_owner() -> str:
    """Return a name for one job that no other job ever has."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:12]}"


Renew = Callable[[int], bool]
"""Renews a lease and records the number of electors written; returns False when another worker holds the row."""


class Heartbeat:
    """Renews the lease from its own thread while the block runs and progresses, and records the progress on the row.

    A step without progress for longer than STILL_SECONDS, or than `expect` allows, counts as frozen: the lease is
    renewed no more, `on_still` releases the row for another process, and `stuck` is set to end this process, because a
    thread that hangs cannot be stopped.
    """

    def __init__(
        self,
        renew: Renew,
        lease_seconds: float,
        on_still: Callable[[], object],
        stuck: threading.Event,
    ) -> None:
        self._renew = renew
        self._seconds = min(PULSE_SECONDS, lease_seconds / 3)
        self._on_still = on_still
        self._stuck = stuck
        self._written = 0
        self._silent_until = time.monotonic() + STILL_SECONDS
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._started, self._ended = threading.Event(), threading.Event()
        self._context = copy_context()  # the keys of its log lines

    def progress(self, written: int) -> None:
        """Store the number of electors written.

        Raises:
            LeaseLostError: another worker holds the row; the writer must stop.
        """
        self._written = written
        self.expect(STILL_SECONDS)

    def expect(self, seconds: float) -> None:
        """Allow the next step to report no progress for so long.

        Raises:
            LeaseLostError: another worker holds the row; the step must not begin.
        """
        self._silent_until = time.monotonic() + seconds
        if self._lost.is_set():
            raise LeaseLostError("the row has another owner")

    def __enter__(self) -> Self:
        """Start renewing in a new thread, without `Thread.start()`, which waits for ever when memory is short.

        Raises:
            ExhaustedError: the thread did not start.
        """
        try:
            _thread.start_new_thread(self._context.run, (self._run,))
            if self._started.wait(START_SECONDS):
                return self
        except RuntimeError as error:
            raise conclude(error) from error
        self._stop.set()
        raise conclude(MemoryError())

    def __exit__(self, *_error: object) -> None:
        """Stop renewing; no renewal runs after this returns."""
        self._stop.set()
        self._ended.wait()

    def _run(self) -> None:
        self._started.set()
        try:
            while not self._stop.wait(self._seconds):
                if not self._keep():
                    self._lost.set()
                    return
        finally:
            self._ended.set()

    def _keep(self) -> bool:
        if time.monotonic() > self._silent_until:
            log.critical("job_stands_still", written=self._written)
            try:
                self._on_still()
            except LeaseLostError:
                log.warning("lease_lost")
            finally:
                self._stuck.set()
            return False
        try:
            return self._renew(self._written)
        except SQLAlchemyError as error:
            log.warning("lease_not_renewed", error=type(error).__name__)
            return True


REPEAT_SECONDS, PATIENCE_SECONDS = 0.5, 60.0
"""Seconds between two attempts to record a result while the database is away, and of all attempts."""


def repeat_until_recorded(
    record: Callable[[], object], patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Call `record`, which records the result of a claimed work; while the database is away, repeat it.

    So no lease has to expire, and no finished work is done again. A process that can open no connection gives up at
    once: it is to end, and another one does the work when the lease expires.

    Raises:
        LeaseLostError: another worker holds the work.
        Exception: the database is away for longer; the lease expires, and the start counts.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            record()
        except Exception as error:
            if not is_waited_for(error) or time.monotonic() > deadline or lacks_descriptors():
                raise
            log.warning("result_not_recorded", error=type(error).__name__)
            time.sleep(REPEAT_SECONDS)
        else:
            return
