"""A list file is compared with the one that was deposited before it, by the fingerprint of that one (ADR 0012).

A deposit is one row, whatever the size of its file. Its doorbell then stands among those of batches: the worker that
takes it finds the file ready, deposited and without a fingerprint, and takes it. Should that message be lost, the next
file of the list, which needs the fingerprint, takes it.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from common.clock import jour_a_paris
from schemas.vocabulary import ExportKind, Format
from worker.db.engine import snapshot
from worker.domain.fingerprint import Digests, Expected, KnownMouvement, expect, find_changes, summarise
from worker.exports.depots import Fingerprint, LastDepot, find_last_depot, lacks_fingerprint, write_fingerprint
from worker.exports.models import Export
from worker.exports.storage import Storage
from worker.registre.comparaison.doubts import count_corrections
from worker.registre.mouvements.queries import has_mouvements, select_between
from worker.writers.electeurs_file import FileDays, NotOurFileError, take_fingerprint

PURGED = "le fichier déposé a été purgé avant que son empreinte soit prise"
NOT_INTACT = "le fichier déposé n'est plus intact sur le volume"

log = structlog.get_logger()


def keep_fingerprint(engine: Engine, storage: Storage, file: Export) -> None:
    """Take and keep the fingerprint of a deposited list file that lacks one; any other file is left alone."""
    if file.kind != ExportKind.LISTE:
        return
    with snapshot(engine) as connection:
        is_lacking = lacks_fingerprint(connection, file.id)
    if is_lacking:
        _take_and_keep(engine, storage, file)


def _take_and_keep(engine: Engine, storage: Storage, file: Export) -> Fingerprint:
    """Read the file whole. A damaged one is not kept as such: a restored volume may bring it back."""
    taken = _take_fingerprint(storage, file)
    if taken.records is not None:
        with engine.begin() as connection:
            write_fingerprint(connection, file.id, taken)
        log.info("fingerprint_taken", export_id=file.id)
    return taken


def _take_fingerprint(storage: Storage, file: Export) -> Fingerprint:
    if file.purged_at:
        return Fingerprint(reason=PURGED)
    digests = Digests.new()
    path = storage.path(file.code_commune, file.file_name)
    try:
        taken = take_fingerprint(path, Format(file.format), digests)
    except (OSError, NotOurFileError) as error:
        log.warning("fingerprint_not_taken", export_id=file.id, error=type(error).__name__)
        return Fingerprint(reason=NOT_INTACT)
    if taken.sha256 != file.sha256:
        log.warning("fingerprint_not_taken", export_id=file.id, error="altered")
        return Fingerprint(reason=NOT_INTACT)
    return Fingerprint(digests.key, taken.fingerprint)


@dataclass
class DepotComparison:
    """Of the file of one row with the last one deposited: first the register is asked, then the file is read."""

    export: Export
    last: LastDepot | None
    days: FileDays
    expected: Expected | None = None
    corrections: int = 0

    @classmethod
    def begin(cls, engine: Engine, storage: Storage, export: Export, jour: date) -> Self:
        """Find what to compare with; take the fingerprint of the deposited file where nobody has done it yet."""
        with snapshot(engine) as connection, Session(connection) as session:
            last = find_last_depot(session, export)
        if last and last.fingerprint == Fingerprint():
            last = last._replace(fingerprint=_take_and_keep(engine, storage, last.export))
        before = jour_a_paris(last.asked_at) if last else jour
        return cls(export, last, FileDays(before, jour))

    def read_register(self, connection: Connection) -> None:
        """Count the mouvements between the two files, in the snapshot that the new one is made of."""
        code, liste = self.export.code_commune, self.export.nom_liste
        if not self._digests:
            return
        self.corrections = count_corrections(connection, code, liste, *self.days)
        if has_mouvements(connection, code, liste):
            found = select_between(connection, code, liste, *self.days)
            known = (KnownMouvement(it.nature, self._digests.identity(*it[1:]), it.date_naissance) for it in found)
            self.expected = expect(known, *self.days)

    def describe(self, file: Path) -> dict[str, Any] | None:
        """For the row: how the finished file differs, or why nobody can tell; None when nothing was deposited."""
        if self.last is None:
            return None
        about = {
            "export_id": self.last.export.id,
            "label": self.last.export.label,
            "deposited_on": self.last.deposited_on.isoformat(),
        }
        deposited = self.last.fingerprint
        if self._digests is None or deposited.records is None:
            return about | {"reason": deposited.reason}
        taken = take_fingerprint(file, Format(self.export.format), self._digests, self.days)
        changes = find_changes(deposited.records, taken.fingerprint)
        return about | summarise(changes, taken.of_age_since, self.expected, self.corrections).to_record()

    @property
    def _digests(self) -> Digests | None:
        key = self.last and self.last.fingerprint.key
        return Digests(key) if key else None
