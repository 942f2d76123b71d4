"""Every ready file is compared with its row: what is right is dated, what is wrong is said and put on record."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import structlog
from sqlalchemy import ColumnElement, Engine, and_, func, select
from sqlalchemy.orm import Session, joinedload

from common.files import NotRegularError, hash_file, open_regular
from schemas.vocabulary import ExportStatus
from worker.db.engine import snapshot
from worker.exports.audit import Action, record_audit
from worker.exports.models import Export
from worker.exports.records import mark_verified
from worker.exports.storage import DIRECTORY_MODE, FILE_MODE, Storage

_PAGE = 50
"""Exports that are read before what was found of them is recorded."""

log = structlog.stdlib.get_logger(__name__)

CountRead = Callable[[int], None]
"""Is told how many bytes were just read."""


class FileFault(StrEnum):
    """What is wrong with a file; all but the last mean that it must not be used."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    ALTERED = "altered"
    PERMISSIONS = "permissions"

    @property
    def label(self) -> str:
        """What an operator reads."""
        return _LABELS[self]


_LABELS = {
    FileFault.MISSING: "absent du volume",
    FileFault.UNREADABLE: "illisible",
    FileFault.TRUNCATED: "tronqué",
    FileFault.ALTERED: "altéré : son empreinte n'est plus la bonne",
    FileFault.PERMISSIONS: f"droits à rétablir : {FILE_MODE:o} pour le fichier, {DIRECTORY_MODE:o} pour son dossier",
}


class VerifyScope(NamedTuple):
    """Which exports are verified: all, those of a commune, or one."""

    code_commune: str | None = None
    export_id: int | None = None


class FileFinding(NamedTuple):
    """A file that is not as it was made."""

    name: str
    fault: FileFault


class Verified(NamedTuple):
    """What was found of one export, that is of its file and of its report; `source` and `event_id` of its request."""

    export_id: int
    code_commune: str
    source: str
    event_id: str
    files: int
    findings: list[FileFinding]


def verify_files(
    engine: Engine, storage: Storage, scope: VerifyScope, *, actor: str, read: CountRead = lambda _bytes: None
) -> Iterator[Verified]:
    """Read every file that is ready and not purged; `read` is told of the bytes as they are read.

    Raises:
        TransientError: the volume is not there.
    """
    after = 0
    while page := _read_page(engine, scope, after):
        storage.require_mounted()
        after = page[-1].id
        found = [_verify(export, storage, read) for export in page]
        yield from _record(engine, page, found, actor)


def count_bytes(engine: Engine, scope: VerifyScope) -> int:
    """How much `verify_files` will have to read."""
    size = func.coalesce(Export.size, 0) + func.coalesce(Export.report_size, 0)
    with snapshot(engine) as connection:
        return int(connection.scalar(select(func.sum(size)).where(_is_offered(scope))) or 0)


def _is_offered(scope: VerifyScope) -> ColumnElement[bool]:
    narrowed = []
    if scope.code_commune is not None:
        narrowed.append(Export.code_commune == scope.code_commune)
    if scope.export_id is not None:
        narrowed.append(Export.id == scope.export_id)
    return and_(Export.status == ExportStatus.READY, Export.purged_at.is_(None), *narrowed)


def _read_page(engine: Engine, scope: VerifyScope, after: int) -> Sequence[Export]:
    query = select(Export).options(joinedload(Export.request)).where(_is_offered(scope), Export.id > after)
    with snapshot(engine) as connection, Session(connection) as session:
        return session.scalars(query.order_by(Export.id).limit(_PAGE)).all()


def _verify(export: Export, storage: Storage, read: CountRead) -> Verified:
    files = [(export.file_name, export.size, export.sha256)]
    if export.report_name:
        files.append((export.report_name, export.report_size, export.report_sha256))
    if proof := (export.reconciliation or {}).get("proof"):
        files.append((proof["name"], proof["size"], proof["sha256"]))
    findings = []
    for name, size, sha256 in files:
        if fault := find_fault(storage.path(export.code_commune, name), size or 0, sha256 or "", read):
            findings.append(FileFinding(name, fault))
    request = export.request
    return Verified(export.id, export.code_commune, request.source, request.event_id, len(files), findings)


def _record(engine: Engine, page: Sequence[Export], found: Sequence[Verified], actor: str) -> list[Verified]:
    """Write down what was found, except of files that were purged or made again meanwhile."""
    ids = [export.id for export in page]
    with engine.begin() as connection:
        offered = select(Export.id, Export.finished_at).where(Export.id.in_(ids), _is_offered(VerifyScope()))
        unchanged = {(row.id, row.finished_at) for row in connection.execute(offered)}
        same = [it for it, export in zip(found, page, strict=True) if (export.id, export.finished_at) in unchanged]
        intact = [it.export_id for it in same if not it.findings]
        mark_verified(connection, intact)
        for it in same:
            for name, fault in it.findings:
                log.error("file_found_wrong", export_id=it.export_id)
                record_audit(
                    connection,
                    Action.FILE_FOUND_WRONG,
                    actor=actor,
                    code_commune=it.code_commune,
                    export_id=it.export_id,
                    detail=f"{name} : {fault.label}",
                )
    return same


def find_fault(path: Path, size: int, sha256: str, read: CountRead) -> FileFault | None:
    """Compare a file with what its row says of it; None when it is the same, and readable by its group alone."""
    try:
        with open_regular(path) as file:
            state = os.fstat(file.fileno())
            found, digest = hash_file(file, read)
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
    return None if _has_right_modes(path, state) else FileFault.PERMISSIONS


def _has_right_modes(path: Path, state: os.stat_result) -> bool:
    return stat.S_IMODE(state.st_mode) == FILE_MODE and stat.S_IMODE(path.parent.stat().st_mode) == DIRECTORY_MODE
