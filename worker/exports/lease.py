"""Who holds a row, and until when: two columns, by the database's clock, so that no two hosts compare theirs.

The worker of a file and the notifier of a request hold their rows by the same rule.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextvars import copy_context
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import structlog
from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute

from worker.db.types import utc_now
from worker.errors import LeaseLostError

PULSE_SECONDS = 1.0
"""How often progress is written to the row."""

log = structlog.get_logger()


class Lease:
    """The two columns of a table: its holder, and the instant from which anybody may take the row."""

    def __init__(
        self, holder: InstrumentedAttribute[str | None], until: InstrumentedAttribute[datetime | None]
    ) -> None:
        self._holder = holder
        self._until = until

    def is_free(self) -> ColumnElement[bool]:
        """Whether nobody holds the row, or whoever did has given no sign of life for the whole lease."""
        return or_(self._until.is_(None), self.is_expired())

    def is_expired(self) -> ColumnElement[bool]:
        """Whether whoever holds the row has given no sign of life for the whole lease."""
        return and_(self._until.is_not(None), self._until <= utc_now())

    def is_held_by(self, holder: str) -> ColumnElement[bool]:
        """Whether this holder has the row, in time or not: the fence of every write of his."""
        return self._holder == holder

    def take(self, holder: str, seconds: float) -> Mapping[Any, Any]:
        """What an UPDATE sets for a new holder."""
        return {self._holder: holder, **self.renew(seconds)}

    def renew(self, seconds: float) -> Mapping[Any, Any]:
        """What an UPDATE sets for a sign of life."""
        return {self._until: utc_now(seconds)}

    def end(self) -> Mapping[Any, Any]:
        """What an UPDATE sets when the row is given back."""
        return {self._holder: None, self._until: None}


def new_owner() -> str:
    """A name for one job that no other job has or will have."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:12]}"


Renew = Callable[[int], bool]
"""Renews a lease and writes down how many electors were written; False when the row is in other hands."""


class Heartbeat:
    """Renews the lease from a thread of its own while the block runs, and carries the progress to the row."""

    def __init__(self, renew: Renew, lease_seconds: float) -> None:
        self._renew = renew
        self._seconds = min(PULSE_SECONDS, lease_seconds / 3)
        self._written = 0
        self._stop = threading.Event()
        self._lost = threading.Event()
        context = copy_context()  # what its log lines bear
        self._thread = threading.Thread(target=context.run, args=(self._beat,), name="lease", daemon=True)

    def progress(self, written: int) -> None:
        """Take note of the electors written.

        Raises:
            LeaseLostError: the row is in other hands; the writer must stop.
        """
        self._written = written
        if self._lost.is_set():
            raise LeaseLostError("the row has another owner")

    def __enter__(self) -> Self:
        """Start to beat."""
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Stop to beat; the last beat is over when this returns."""
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                is_ours = self._renew(self._written)
            except DBAPIError as error:
                log.warning("lease_not_renewed", error=type(error).__name__)
                continue
            if not is_ours:
                self._lost.set()
                return
