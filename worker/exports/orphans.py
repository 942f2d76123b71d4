"""Files of the volume that no row accounts for: found, told to the operator, never removed on our own."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine, select

from worker.db.engine import snapshot
from worker.exports.models import Export
from worker.exports.naming import reported_name
from worker.exports.records import PURGE
from worker.exports.storage import Storage

UNKNOWN_SECONDS = 24 * 3600
"""A file that no row knows is left alone for a day: somebody may be at work on the volume."""

_SLICE = 500


class _Row(NamedTuple):
    id: int
    purged_at: datetime | None
    owner: str | None


class Orphan(NamedTuple):
    """A file, and the export whose row says that it was purged; None when no row knows it."""

    path: Path
    export_id: int | None


def find_orphans(
    engine: Engine, storage: Storage, code_commune: str | None = None, *, seconds: float = UNKNOWN_SECONDS
) -> Iterator[Orphan]:
    """Look through the volume, or one commune's directory; hidden files, which somebody writes, are not looked at."""
    paths = _list_files(storage, code_commune)
    while some := list(islice(paths, _SLICE)):
        yield from _find(engine, some, seconds)


def _list_files(storage: Storage, code_commune: str | None) -> Iterator[Path]:
    """Of `code_commune`, a code that was checked, or of all."""
    for directory in sorted(storage.root.glob(code_commune or "[0-9]*")):
        yield from (path for path in sorted(directory.glob("*")) if not path.name.startswith("."))


def _find(engine: Engine, paths: Sequence[Path], seconds: float) -> Iterator[Orphan]:
    rows = _read_rows(engine, {reported_name(path.name) for path in paths})
    for path in paths:
        row = rows.get((path.parent.name, reported_name(path.name)))
        if row is None:
            if _age(path) > seconds:
                yield Orphan(path, None)
        elif row.purged_at is not None and row.owner != PURGE and path.exists():
            yield Orphan(path, row.id)


def _read_rows(engine: Engine, names: Iterable[str]) -> Mapping[tuple[str, str], _Row]:
    columns = Export.code_commune, Export.file_name, Export.id, Export.purged_at, Export.owner
    with snapshot(engine) as connection:
        rows = connection.execute(select(*columns).where(Export.file_name.in_(names))).all()
    return {(row.code_commune, row.file_name): _Row(row.id, row.purged_at, row.owner) for row in rows}


def _age(path: Path) -> float:
    """Seconds since the last byte; nothing for a file that has just gone."""
    try:
        return time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return 0
