"""The record of imports: one at a time, the same file once, undone from the last one on."""

import hashlib
import json
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from typing import NamedTuple, Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, exists, func, select, text
from sqlalchemy.exc import DBAPIError

from common.calendrier import civil_day
from worker.db.engine import has_table
from worker.errors import ImportBusyError
from worker.registre.imports.file import ImportedFile
from worker.registre.imports.report import ImportSummary, RejectReport
from worker.registre.models import Electeur, Import, ImportListe, ListeCommunale
from worker.registre.versions import OnRemoved, find_obsolete, is_shown, remove_obsolete, remove_some

ADVISORY_KEY = 0x5245555F494D50
"""`REU_IMP` in ASCII: the number that our imports agree on in a PostgreSQL database."""

_STEP = 20_000
"""Electors that the function of PostgreSQL removes in one transaction: a second of work, for which an import waits."""

_PATIENCE = "2s"
_TOO_LONG = "55P03"
"""PostgreSQL's code: the lock was not there in that time."""

_BUSY = "un autre import est en cours ; recommencez quand il sera fini"


@contextmanager
def import_lock(connection: Connection) -> Iterator[None]:
    """Hold the lock on this connection; it is released when the process dies.

    On PostgreSQL it is waited for as long as `purge_versions` may have it.

    Raises:
        ImportBusyError: another import holds it.
    """
    on_postgresql = connection.dialect.name == "postgresql"
    with _advisory_lock(connection) if on_postgresql else _file_lock(connection.engine.url.database):
        yield


@contextmanager
def _advisory_lock(connection: Connection) -> Iterator[None]:
    try:
        with connection.begin():
            connection.execute(text("SELECT set_config('lock_timeout', :patience, true)"), {"patience": _PATIENCE})
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_KEY})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _TOO_LONG:
            raise
        raise ImportBusyError(_BUSY) from None
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
        raise ImportBusyError(_BUSY) from None
    try:
        yield
    finally:
        lock.release()


def purge_versions(engine: Engine, note: OnRemoved) -> Iterator[int]:
    """Remove the electors that no import can bring back, a step at a time, between which imports begin.

    Each step and what `note` says of it are one transaction. An import that is at work does the same when it ends: then
    there is no step here. On PostgreSQL the account needs to see no elector.
    """
    with engine.connect() as connection:
        step = _purge_by_function if connection.dialect.name == "postgresql" else _purge_by_statement
        while number := step(connection, note):
            yield number


def _purge_by_function(connection: Connection, note: OnRemoved) -> int:
    with connection.begin():
        number = int(connection.execute(text("SELECT purge_versions(:room)"), {"room": _STEP}).scalar_one())
        if number:
            note(connection, number)
    return number


def _purge_by_statement(connection: Connection, note: OnRemoved) -> int:
    """SQLite: who writes is alone, so only what an import that is at work may have written wants the lock."""
    with connection.begin():
        found = find_obsolete(connection)
        number = remove_some(connection, deque(it for it in found if not it.is_left))
        if number:
            note(connection, number)
    if not number and found:
        with suppress(ImportBusyError), import_lock(connection):
            remove_obsolete(connection, note)
    return number


def read_state(connection: Connection, code_commune: str) -> str:
    """What the register of a commune is, as a fingerprint: each list, its version, electors and the day it is of.

    It changes with whatever an import would be compared with. The electors are counted, for a service may write them.
    """
    electeurs = select(func.count(Electeur.id)).where(is_shown()).correlate(ListeCommunale).scalar_subquery()
    query = (
        select(ListeCommunale.liste, ListeCommunale.version, electeurs, Import.taken_on, Import.is_dated)
        .join(Import, Import.id == ListeCommunale.version, isouter=True)
        .where(ListeCommunale.code_commune == code_commune)
        .order_by(ListeCommunale.liste)
    )
    said = json.dumps([list(row) for row in connection.execute(query)], default=str)
    return hashlib.sha256(said.encode()).hexdigest()


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


def find_days(connection: Connection, sha256: str) -> list[tuple[int, date]]:
    """The imports of these bytes that were not undone, whatever replaced them since, each with the day it was of."""
    query = select(Import.id, Import.taken_on).where(
        Import.sha256 == sha256, Import.finished_at.is_not(None), Import.undone_at.is_(None)
    )
    return [(number, day) for number, day in connection.execute(query) if day]


class Basis(NamedTuple):
    """The export that a list of the register comes from, or the exports of its arrondissements."""

    imports: Collection[int]
    taken_on: date
    """The day of the oldest of them."""
    electeurs: int
    """Of the list, minors included, as the import counted them."""
    absent_on: date | None
    """The day of the last export of the commune, where it is a later one and does not hold the list."""


def read_basis(connection: Connection, code_commune: str, liste: str, version: int) -> Basis | None:
    """What this version of a list comes from; None where a service writes the lists itself."""
    if not has_table(connection, ImportListe):
        return None
    of_commune = (
        select(Import.id, Import.taken_on, Import.started_at, ImportListe.electeurs, ImportListe.parts)
        .join(ImportListe, ImportListe.import_id == Import.id)
        .where(ImportListe.code_commune == code_commune)
    )
    mine = connection.execute(of_commune.where(ImportListe.liste == liste, Import.id == version)).one_or_none()
    if mine is None:
        return None
    done = Import.finished_at.is_not(None), Import.undone_at.is_(None)
    last = connection.execute(of_commune.where(*done).order_by(Import.id.desc()).limit(1)).one_or_none()
    own, last_on = (it.taken_on or civil_day(it.started_at, code_commune) for it in (mine, last or mine))
    imports = {*mine.parts.values()} if mine.parts else {version}
    oldest = min(read_days(connection, imports, code_commune).values()) if mine.parts else own
    return Basis(imports, oldest, mine.electeurs, last_on if last_on > own else None)


def read_days(connection: Connection, imports: Collection[int], code_commune: str) -> dict[int, date]:
    """The days of these exports of a commune."""
    query = select(Import.id, Import.taken_on, Import.started_at).where(Import.id.in_(imports))
    rows = connection.execute(query) if imports else ()
    return {number: taken_on or civil_day(started_at, code_commune) for number, taken_on, started_at in rows}


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
    complete_until: date | None


def list_imports(connection: Connection, most: int | None = None) -> Sequence[KnownImport]:
    """The imports, the last one first; all of them, or the `most` last."""
    columns = [getattr(Import, name) for name in KnownImport._fields]
    rows = connection.execute(select(*columns).order_by(Import.id.desc()).limit(most))
    return [KnownImport(*row) for row in rows]


def count_imports(connection: Connection) -> int:
    """How many imports there are."""
    return connection.scalar(select(func.count()).select_from(Import)) or 0
