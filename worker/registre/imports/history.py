"""The record of imports: one at a time, the same file once, undone from the last one on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import NamedTuple, Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Connection, exists, select, text

from worker.errors import ImportRefusedError
from worker.registre.imports.file import ImportedFile
from worker.registre.imports.report import RejectReport
from worker.registre.imports.summary import ImportSummary
from worker.registre.models import Import, ImportListe, ListeCommunale

ADVISORY_KEY = 0x5245555F494D50
"""`REU_IMP` in ASCII: the number that our imports agree on in a PostgreSQL database."""

_BUSY = "un autre import est en cours ; recommencez quand il sera fini"


@contextmanager
def import_lock(connection: Connection) -> Iterator[None]:
    """Hold the lock on this connection; it is released when the process dies.

    Raises:
        ImportRefusedError: another import holds it.
    """
    on_postgresql = connection.dialect.name == "postgresql"
    with _advisory_lock(connection) if on_postgresql else _file_lock(connection.engine.url.database):
        yield


@contextmanager
def _advisory_lock(connection: Connection) -> Iterator[None]:
    with connection.begin():
        is_ours = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_KEY})
    if not is_ours:
        raise ImportRefusedError(_BUSY)
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_KEY})
            connection.commit()


@contextmanager
def _file_lock(database: str | None) -> Iterator[None]:
    """SQLite: a lock on a file beside the database, since a transaction so long would keep every worker waiting."""
    if not database or database == ":memory:":
        yield
        return
    lock = FileLock(f"{database}.import-lock", timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise ImportRefusedError(_BUSY) from None
    try:
        yield
    finally:
        lock.release()


def find_same(connection: Connection, sha256: str) -> ImportSummary | None:
    """The import of the same bytes whose lists are all still in the register.

    One that rejected lines does not count: a commune that was unknown then may have been added.
    """
    is_shown = exists().where(
        ListeCommunale.code_commune == ImportListe.code_commune,
        ListeCommunale.liste == ImportListe.liste,
        ListeCommunale.version == ImportListe.import_id,
    )
    is_replaced = exists().where(ImportListe.import_id == Import.id, ~is_shown)
    columns = Import.id, Import.file_name, Import.lines_read, Import.lines_kept, Import.values_cleaned, Import.taken_on
    query = select(*columns).where(
        Import.sha256 == sha256,
        Import.finished_at.is_not(None),
        Import.undone_at.is_(None),
        Import.lines_rejected == 0,
        ~is_replaced,
    )
    row = connection.execute(query.order_by(Import.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return ImportSummary(
        import_id=row.id,
        file_name=row.file_name,
        sha256=sha256,
        unchanged=True,
        lines_read=row.lines_read,
        lines_kept=row.lines_kept,
        lines_rejected=0,
        values_cleaned=row.values_cleaned,
        taken_on=row.taken_on,
    )


class Counted(Protocol):
    """A pass over a file, that counts its lines."""

    @property
    def lines_read(self) -> int:
        """All of them but the header and blank ones."""

    @property
    def lines_kept(self) -> int:
        """Those that were not rejected."""

    @property
    def values_cleaned(self) -> int:
        """In the lines that are kept."""


def count_columns(reading: Counted) -> dict[str, int]:
    """The columns of an import that count its lines."""
    return {
        "lines_read": reading.lines_read,
        "lines_kept": reading.lines_kept,
        "lines_rejected": reading.lines_read - reading.lines_kept,
        "values_cleaned": reading.values_cleaned,
    }


def summarise(import_id: int, file: ImportedFile, reading: Counted, rejects: RejectReport) -> ImportSummary:
    """What every import says of itself."""
    return ImportSummary(
        import_id=import_id,
        file_name=file.name,
        sha256=file.sha256,
        unchanged=False,
        lines_read=reading.lines_read,
        lines_kept=reading.lines_kept,
        lines_rejected=rejects.reasons.total(),
        values_cleaned=reading.values_cleaned,
        notes=file.notes,
        reasons=rejects.reasons,
        report=rejects.written,
    )


class KnownImport(NamedTuple):
    """An import as the record has it; `finished_at` is None while it goes on, or since it was interrupted."""

    id: int
    started_at: datetime
    file_name: str
    lines_kept: int
    lines_rejected: int
    imported_by: str
    finished_at: datetime | None
    undone_at: datetime | None
    taken_on: date | None
    is_dated: bool


def list_imports(connection: Connection, most: int | None = None) -> Sequence[KnownImport]:
    """The imports, the last one first; all of them, or the `most` last."""
    columns = [getattr(Import, name) for name in KnownImport._fields]
    rows = connection.execute(select(*columns).order_by(Import.id.desc()).limit(most))
    return [KnownImport(*row) for row in rows]
