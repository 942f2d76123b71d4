"""How a row ends, or waits: each by one transaction that only its owner can make."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, update

from schemas.vocabulary import ExportStatus
from worker.db.notify import notify_ready
from worker.db.types import utc_now
from worker.errors import LeaseLostError, PrefectureError
from worker.exports.lease import owned
from worker.exports.models import Export
from worker.exports.storage import PendingFile, StoredFile, publish

FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0
"""Seconds between two tries while something is away or full; doubled each time."""

FEW = 5_000
"""A file of so many electors is made before anybody could see how far it is."""


@dataclass(frozen=True)
class Made:
    """What is recorded of a file that was made."""

    file: StoredFile
    report: StoredFile | None
    electeurs: int
    mineurs: int
    bloquantes: int
    remarques: int
    anomalies: list[dict[str, Any]]
    pages: int | None = None
    differences: dict[str, Any] | None = None
    """Of a list file, with the one deposited before it."""


def announce(engine: Engine, export_id: int, owner: str, *, electeurs: int) -> None:
    """Say on the row how many electors its file will hold, so that progress can be shown; of few there is none."""
    if electeurs <= FEW:
        return
    with engine.begin() as connection:
        connection.execute(update(Export).where(owned(export_id, owner)).values(electeurs=electeurs))


def record_ready(engine: Engine, export_id: int, owner: str, made: Made, files: Iterable[PendingFile]) -> None:
    """Give the files their names and record them, together: the row is locked for its owner meanwhile.

    Raises:
        LeaseLostError: another worker has the row; nothing was published.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = '15s'")
        _settle(
            connection,
            owned(export_id, owner),
            status=ExportStatus.READY,
            finished_at=utc_now(),
            lease_until=None,
            electeurs=made.electeurs,
            lines_written=made.electeurs,
            pages=made.pages,
            mineurs=made.mineurs,
            bloquantes=made.bloquantes,
            remarques=made.remarques,
            anomalies=made.anomalies,
            differences=made.differences,
            size=made.file.size,
            sha256=made.file.sha256,
            report_name=made.report and made.report.name,
            report_size=made.report and made.report.size,
            report_sha256=made.report and made.report.sha256,
            error_code="",
            error_message="",
            purged_at=None,
            verified_at=None,
        )
        publish(files)
        notify_ready(connection)


def record_failed(engine: Engine, export_id: int, owner: str, error: PrefectureError) -> None:
    """Call the row failed, with the reason that its clerk reads."""
    with engine.begin() as connection:
        _settle(
            connection,
            owned(export_id, owner),
            status=ExportStatus.FAILED,
            finished_at=utc_now(),
            lease_until=None,
            error_code=error.code,
            error_message=str(error),
        )
        notify_ready(connection)


def release(engine: Engine, export: Export, owner: str, error: PrefectureError, *, counts: bool) -> None:
    """Give the row back to wait for a better time; `counts`: this start is one of the few it has."""
    with engine.begin() as connection:
        _settle(
            connection,
            owned(export.id, owner),
            status=ExportStatus.QUEUED,
            owner=None,
            lease_until=None,
            not_before=utc_now(_wait_seconds(export.retries)),
            rung_at=None,
            retries=Export.retries + 1,
            attempts=Export.attempts if counts else Export.attempts - 1,
            error_code=error.code,
            error_message=str(error),
        )


def _settle(connection: Connection, fence: ColumnElement[bool], **values: Any) -> None:  # noqa: ANN401 — columns
    if connection.execute(update(Export).where(fence).values(**values)).rowcount != 1:
        raise LeaseLostError("the row has another owner")


def is_overdue(export: Export, retry_seconds: float) -> bool:
    """Whether the row has waited long enough for what was away; its time in the queue does not count."""
    return sum(_wait_seconds(retry) for retry in range(export.retries)) >= retry_seconds


def _wait_seconds(retries: int) -> float:
    return min(FIRST_WAIT * 2.0**retries, LONGEST_WAIT)
