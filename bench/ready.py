"""Waits until files are ready, without polling: PostgreSQL notifies at each commit."""

from typing import NamedTuple, Self

import psycopg
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from schemas.vocabulary import ExportStatus
from worker.db.engine import CHANNEL, build_engine
from worker.exports.models import Export, Request
from worker.exports.records import FILES_SIZE

SILENCE_SECONDS = 60
"""After so long without a file, the wait fails."""


class Tally(NamedTuple):
    """The ready files of a batch, their lines, the minors left out, their bytes; the bytes of reports."""

    files: int
    lines: int
    mineurs: int
    size: int
    reports: int


class ReadyFiles:
    """Receives a notification of every row that ends from now on, and reads the totals of a batch."""

    def __init__(self, url: str) -> None:
        address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._listener = psycopg.connect(address, autocommit=True)
        self._listener.execute(f"LISTEN {CHANNEL}")
        self._engine = build_engine(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._engine.dispose()

    def wait(self, files: int) -> None:
        """Return when so many more rows have ended.

        Raises:
            TimeoutError: no row ended for SILENCE_SECONDS.
        """
        while files > 0:
            heard = sum(1 for _ in self._listener.notifies(timeout=SILENCE_SECONDS, stop_after=1))
            if not heard:
                raise TimeoutError(f"{files} files are not made, and none was for {SILENCE_SECONDS} s")
            files -= heard

    def count(self, batch: str) -> int:
        """Return the number of rows of a batch."""
        of_batch = select(func.count()).select_from(Export).join(Request, Request.id == Export.request_id)
        with self._engine.connect() as connection:
            return connection.execute(of_batch.where(Request.correlation_id == batch)).scalar_one()

    def tally(self, batch: str) -> Tally:
        """Return the totals of the ready rows of a batch."""
        sums = (Export.lines_written, Export.mineurs, Export.size, FILES_SIZE - Export.size)
        query = (
            select(func.count(), *(func.coalesce(func.sum(column), 0) for column in sums))
            .join(Request, Request.id == Export.request_id)
            .where(Request.correlation_id == batch, Export.status == ExportStatus.READY)
        )
        with self._engine.connect() as connection:
            return Tally(*map(int, connection.execute(query).one()))
