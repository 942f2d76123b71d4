"""Who works on a row: a claim, a lease on the database's clock, a heartbeat, and a fence at the end.

Only the owner of a live row may change it. A worker that was frozen and wakes up finds the row in other hands.
"""

import os
import socket
import threading
from contextvars import copy_context
from types import TracebackType
from typing import Self
from uuid import uuid4

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, and_, case, or_, update
from sqlalchemy.exc import DBAPIError

from schemas.vocabulary import ExportStatus
from worker.db.types import utc_now
from worker.errors import LeaseLostError
from worker.exports.models import Export

log = structlog.get_logger()

PULSE_SECONDS = 1.0
"""How often progress is written to the row."""


def new_owner() -> str:
    """A name for this job that no other job has or will have."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:12]}"


def claim(connection: Connection, export_id: int, owner: str, *, lease_seconds: float, max_attempts: int) -> bool:
    """Take a row that waits, or whose owner died, by one conditional UPDATE; at most `max_attempts` starts.

    A row whose workers died each time is called failed, so that it stops killing them.
    """
    free = and_(Export.id == export_id, _is_free())
    exhausted = Export.attempts >= max_attempts
    taken = connection.execute(
        update(Export)
        .where(free, ~exhausted)
        .values(
            status=ExportStatus.RUNNING,
            owner=owner,
            lease_until=utc_now(lease_seconds),
            attempts=Export.attempts + 1,
            started_at=utc_now(),
            lines_written=0,
            not_before=None,
        )
    )
    if taken.rowcount:
        return True
    given_up = connection.execute(
        update(Export)
        .where(free, exhausted)
        .values(
            status=ExportStatus.FAILED,
            owner=None,
            lease_until=None,
            finished_at=utc_now(),
            error_code=case((Export.error_code != "", Export.error_code), else_="arrets_repetes"),
            error_message=case(
                (Export.error_message != "", Export.error_message),
                else_=f"La production s'est arrêtée {max_attempts} fois avant la fin : prévenez l'exploitant.",
            ),
        )
    )
    if given_up.rowcount:
        log.warning("export_given_up", attempts=max_attempts)
    return False


def owned(export_id: int, owner: str) -> ColumnElement[bool]:
    """The row, while `owner` still holds it: the fence of every write."""
    return and_(Export.id == export_id, Export.owner == owner, Export.status == ExportStatus.RUNNING)


def _is_free() -> ColumnElement[bool]:
    waiting = and_(
        Export.status == ExportStatus.QUEUED, or_(Export.not_before.is_(None), Export.not_before <= utc_now())
    )
    return or_(waiting, and_(Export.status == ExportStatus.RUNNING, Export.lease_until < utc_now()))


class Heartbeat:
    """Renews the lease from a thread of its own while the block runs, and carries the progress to the row."""

    def __init__(self, engine: Engine, export_id: int, owner: str, lease_seconds: float) -> None:
        self._engine = engine
        self._row = owned(export_id, owner)
        self._lease_seconds = lease_seconds
        self._written = 0
        self._stop = threading.Event()
        self._lost = threading.Event()
        context = copy_context()  # what its log lines bear
        self._thread = threading.Thread(target=context.run, args=(self._beat,), name=f"lease-{export_id}", daemon=True)

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
        while not self._stop.wait(min(PULSE_SECONDS, self._lease_seconds / 3)):
            try:
                with self._engine.begin() as connection:
                    renewed = connection.execute(
                        update(Export)
                        .where(self._row)
                        .values(lines_written=self._written, lease_until=utc_now(self._lease_seconds))
                    )
            except DBAPIError as error:
                log.warning("lease_not_renewed", error=type(error).__name__)
                continue
            if not renewed.rowcount:
                self._lost.set()
                return
