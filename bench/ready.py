"""Knows when files are ready, without asking: PostgreSQL says it at each commit."""

from typing import NamedTuple, Self

import psycopg
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from schemas.vocabulary import ExportStatus
from worker.db.engine import CHANNEL, build_engine
from worker.exports.models import Export, Request
from worker.exports.records import FILES_SIZE

SILENCE_SECONDS = 60
"""After so long without a file, none will come any more."""


class Tally(NamedTuple):
    """Files of a batch that are ready, lines in them, electors left out for their age, bytes; bytes of reports."""

    files: int
    lines: int
    mineurs: int
    size: int
    reports: int


class ReadyFiles:
    """Hears of every row that is settled from now on; asks what they hold."""

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
        """Return when so many more rows are settled.

        Raises:
            TimeoutError: no row was, for long.
        """
        while files > 0:
            heard = sum(1 for _ in self._listener.notifies(timeout=SILENCE_SECONDS, stop_after=1))
            if not heard:
                raise TimeoutError(f"{files} files are not made, and none was for {SILENCE_SECONDS} s")
            files -= heard

    def count(self, batch: str) -> int:
        """How many files a batch has rows for."""
        of_batch = select(func.count()).select_from(Export).join(Request, Request.id == Export.request_id)
        with self._engine.connect() as connection:
            return connection.execute(of_batch.where(Request.correlation_id == batch)).scalar_one()

    def tally(self, batch: str) -> Tally:
        """What the rows of a batch say."""
        sums = (Export.lines_written, Export.mineurs, Export.size, FILES_SIZE - Export.size)
        query = (
            select(func.count(), *(func.coalesce(func.sum(column), 0) for column in sums))
            .join(Request, Request.id == Export.request_id)
            .where(Request.correlation_id == batch, Export.status == ExportStatus.READY)
        )
        with self._engine.connect() as connection:
            return Tally(*map(int, connection.execute(query).one()))
