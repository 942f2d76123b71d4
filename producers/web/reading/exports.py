"""Files that were asked for, whatever became of them: the view `derniers_exports`, read for one commune."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, column, select, table

from producers.records import ExportState
from producers.state import State, to_instant
from producers.web.reading.values import to_day, to_document
from schemas.tableaux import Edition
from schemas.vocabulary import ExportKind, ExportStatus, Verdict

LATEST = 10
"""As many as openElec's « Derniers exports »."""

_INSTANTS = ("requested_at", "started_at", "finished_at", "purged_at", "downloaded_at")
_DAYS = ("deposited_on", "verdict_on")
_DOCUMENTS = ("anomalies", "parameters", "differences")


@dataclass(frozen=True, kw_only=True)
class AskedFile(ExportState):
    """One file, with what only the screen shows of it."""

    request_id: int
    correlation_id: str
    is_bulk: bool
    report_size: int | None
    report_sha256: str | None
    anomalies: Sequence[dict[str, Any]]
    parameters: dict[str, Any]
    differences: dict[str, Any] | None
    deposited_on: date | None
    deposited_by: str
    remarque: str
    verdict: str
    verdict_on: date | None
    answer: str
    downloaded_at: datetime | None
    downloaded_by: str

    @property
    def is_ready(self) -> bool:
        """Whether it was made; its bytes may be purged since."""
        return self.status is ExportStatus.READY

    @property
    def is_tableau(self) -> bool:
        """Whether it is a tableau, and not a list."""
        return self.kind is ExportKind.TABLEAU

    @property
    def is_for_commission(self) -> bool:
        """Whether it bears the full motifs, which are not to be posted. Code électoral, art. R. 8."""
        return self.edition == Edition.COMMISSION

    @property
    def is_rejected(self) -> bool:
        """Whether the platform refused it."""
        return self.verdict == Verdict.REJETE

    @property
    def same_as(self) -> tuple[str, ...]:
        """What it is, whenever it was made: a later file with the same answer takes its place."""
        return (self.kind, self.liste, self.format, self.type_tableau, self.presentation, self.edition)


VIEW = table("derniers_exports", *(column(field.name) for field in fields(AskedFile)))


def read_latest(state: State, commune: str, limit: int = LATEST) -> list[AskedFile]:
    """The last files that were made, the newest first; purged ones too.

    Raises:
        StateAwayError: the database did not answer.
    """
    with state.reading() as connection:
        return select_latest(connection, commune, limit)


def select_latest(connection: Connection, commune: str, limit: int = LATEST) -> list[AskedFile]:
    """The same, on a connection that is already there."""
    made = of_commune(commune).where(VIEW.c.status == ExportStatus.READY)
    return read_files(connection, made.order_by(VIEW.c.export_id.desc()).limit(limit))


def read_file(state: State, commune: str, export_id: int) -> AskedFile | None:
    """That file, if it is this commune's.

    Raises:
        StateAwayError: the database did not answer.
    """
    with state.reading() as connection:
        return next(iter(read_files(connection, of_commune(commune).where(VIEW.c.export_id == export_id))), None)


def of_commune(commune: str) -> Select[Any]:
    """Every file of a commune."""
    return select(VIEW).where(VIEW.c.code_commune == commune)


def read_files(connection: Connection, query: Select[Any]) -> list[AskedFile]:
    """The rows of a query on the view."""
    return [_to_file(row) for row in connection.execute(query)]


def _to_file(row: Row[Any]) -> AskedFile:
    values = dict(row._mapping)  # noqa: SLF001 — the public name, underscored so as not to hide a column
    for name in _INSTANTS:
        values[name] = to_instant(values[name])
    for name in _DAYS:
        values[name] = to_day(values[name])
    for name in _DOCUMENTS:
        values[name] = to_document(values[name])
    values |= {"status": ExportStatus(values["status"]), "kind": ExportKind(values["kind"])}
    return AskedFile(**values | {"is_bulk": bool(values["is_bulk"]), "downloaded_by": values["downloaded_by"] or ""})
