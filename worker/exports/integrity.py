"""Compares each ready file with its row and finds files without a row; the findings are recorded."""

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import structlog
from sqlalchemy import ColumnElement, Engine, and_, func, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from common.files import NotRegularError, hash_file, open_regular
from schemas.vocabulary import Action, ExportStatus, Labelled
from worker.audit import Audit, record_audit
from worker.db.engine import snapshot
from worker.db.types import Base, utc_now
from worker.exports.models import Export, main_name
from worker.exports.storage import DIRECTORY_MODE, FILE_MODE, ForeignNameError, Storage, age_of

log = structlog.stdlib.get_logger(__name__)


class FileFault(Labelled):
    """The fault of a file, with its French label; with each fault but the last the file must not be used."""

    MISSING = "missing", "absent du volume"
    UNREADABLE = "unreadable", "illisible"
    TRUNCATED = "truncated", "tronqué"
    ALTERED = "altered", "altéré : son empreinte n'est plus la bonne"
    PERMISSIONS = (
        "permissions",
        f"droits à rétablir : fichier {FILE_MODE:o}, dossier {DIRECTORY_MODE:o}",
    )


class Verified(NamedTuple):
    """The findings on one export: on its file and its pieces."""

    export: Export
    files: int
    findings: list[tuple[str, FileFault]]
    """The names of the files that differ from the row, and how."""


_IS_OFFERED = and_(Export.status == ExportStatus.READY, Export.purged_at.is_(None))


def verify_files(
    engine: Engine, storage: Storage, *which: ColumnElement[bool], actor: str
) -> Iterator[Verified]:
    """Read every file that is ready and not purged, or those of them that these conditions select.

    Raises:
        TransientError: the volume is absent.
    """
    with snapshot(engine) as connection:
        ids = connection.scalars(
            select(Export.id).where(_IS_OFFERED, *which).order_by(Export.id)
        ).all()
    for export_id in ids:
        storage.require_mounted()
        with snapshot(engine) as connection, Session(connection) as session:
            whole = joinedload(Export.request), selectinload(Export.pieces)
            export = session.get(Export, export_id, options=whole)
        if export is None:
            continue
        files = [(export.file_name, export.size, export.sha256)]
        files += [(it.file_name, it.size, it.sha256) for it in export.pieces.values()]
        findings = []
        for name, size, sha256 in files:
            try:
                path = storage.path(export.code_commune, name)
            except ForeignNameError:
                findings.append((name, FileFault.ALTERED))
                continue
            if fault := find_fault(path, size or 0, sha256 or ""):
                findings.append((name, fault))
        found = Verified(export, len(files), findings)
        if _record(engine, found, actor):
            yield found


def _record(engine: Engine, found: Verified, actor: str) -> bool:
    export = found.export
    finished_at = select(Export.finished_at).where(_IS_OFFERED, Export.id == export.id)
    with engine.begin() as connection:
        if connection.scalar(finished_at) != export.finished_at:
            return False
        is_it = update(Export).where(Export.id == export.id)
        if not found.findings:
            connection.execute(is_it.values(verified_at=utc_now()))
        faults = dict(found.findings)
        fault = faults.get(export.file_name, FileFault.PERMISSIONS)
        connection.execute(is_it.values(fault="" if fault is FileFault.PERMISSIONS else fault))
        for name, fault in found.findings:
            log.error("file_found_wrong", export_id=export.id)
            record_audit(
                connection,
                Action.FILE_FOUND_WRONG,
                actor=actor,
                code_commune=export.code_commune,
                export_id=export.id,
                detail=f"{name} : {fault.label}",
            )
    return True


def find_fault(path: Path, size: int, sha256: str) -> FileFault | None:
    """Compare a file with its row; return None when size, digest and permissions are right."""
    try:
        with open_regular(path) as file:
            state = os.fstat(file.fileno())
            found, digest = hash_file(file)
    except NotRegularError:
        return FileFault.ALTERED
    except (FileNotFoundError, NotADirectoryError):
        return FileFault.MISSING
    except OSError:
        return FileFault.UNREADABLE
    if found < size:
        return FileFault.TRUNCATED
    if digest != sha256:
        return FileFault.ALTERED
    modes = stat.S_IMODE(state.st_mode), stat.S_IMODE(path.parent.stat().st_mode)
    return None if modes == (FILE_MODE, DIRECTORY_MODE) else FileFault.PERMISSIONS


UNKNOWN_SECONDS = 24 * 3600
"""A file without a row is reported after a day only: an operator may be working on the volume."""


class Orphan(NamedTuple):
    """A file, and the export whose row says purged; None when no row has the file name."""

    path: Path
    export_id: int | None


def find_orphans(
    engine: Engine,
    storage: Storage,
    code_commune: str | None = None,
    *,
    seconds: float = UNKNOWN_SECONDS,
) -> Iterator[Orphan]:
    """Yield the orphans of the volume or of one commune. Hidden files are being written and are skipped."""
    for directory in sorted(storage.root.glob(code_commune or "[0-9]*")):
        columns = Export.file_name, Export.id, Export.purged_at
        with snapshot(engine) as connection:
            found = connection.execute(
                select(*columns).where(Export.code_commune == directory.name)
            ).all()
        rows = {row.file_name: row for row in found}
        for path in sorted(directory.glob("[!.]*")):
            row = rows.get(main_name(path.name))
            if row is None and age_of(path) > seconds:
                yield Orphan(path, None)
            elif row and row.purged_at is not None and path.exists():
                yield Orphan(path, row.id)


SKIPPED_IDS = 100_000
"""More than any table gets in an hour."""


def skip_ids(engine: Engine) -> None:
    """Let each table go on at an id that no lost row had, after a restore or a failover of PostgreSQL.

    Programs may have been told the ids of lost rows. The ids grow by the hours since the last line of the trail, so
    that those of two restores of one backup differ. SQLite has no copy that lacks its last seconds.
    """
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            now = connection.execute(select(utc_now())).scalar_one()
            newest = connection.scalar(select(func.max(Audit.at)).where(Audit.at < now)) or now
            skipped = int(SKIPPED_IDS * (1 + (now - newest) / timedelta(hours=1)))
            for table in Base.metadata.tables.values():
                if table.autoincrement_column is not None:
                    name = func.pg_get_serial_sequence(table.name, table.autoincrement_column.name)
                    connection.execute(select(func.setval(name, func.nextval(name) + skipped)))
