"""Somebody has deposited files on e-listelec: the day, and the fingerprint that later files are compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import structlog
from sqlalchemy import Connection

from schemas.declarations import DepotDeclared
from schemas.envelope import CloudEvent
from schemas.tableaux import Edition
from schemas.vocabulary import ExportKind, Format
from worker.db.engine import snapshot
from worker.domain.fingerprint import Digests
from worker.domain.francais import short_date
from worker.domain.heure import possible_days
from worker.errors import RefusedError
from worker.exports.audit import Action
from worker.exports.depots import Fingerprint, read_depots, write_depot
from worker.exports.models import Export
from worker.handlers.declaration import Declaration, find_files
from worker.handlers.rights import Rights
from worker.handlers.services import Services
from worker.handlers.wanted import read_data
from worker.writers.electeurs_file import NotOurFileError
from worker.writers.fingerprint import take_fingerprint

log = structlog.get_logger()

PURGED = "le fichier déposé était déjà purgé quand son dépôt a été déclaré"
NOT_INTACT = "le fichier déposé n'était plus intact sur le volume quand son dépôt a été déclaré"


@dataclass(frozen=True)
class DepotOfFiles(Declaration):
    """The deposit of one or several files on one day."""

    deposited_on: date
    remarque: str
    fingerprints: Mapping[int, Fingerprint]

    def apply(self, connection: Connection, now: datetime) -> None:
        """Write it down; said again, it corrects what was said before."""
        self.refuse_future(self.deposited_on, now)
        for file in self.files:
            if file.finished_at and self.deposited_on < possible_days(file.finished_at, self.commune)[0]:
                raise RefusedError(
                    f"Le dépôt du {short_date(self.deposited_on)} précède la production du fichier « {file.label} » : "
                    "vérifiez la date.",
                    commune=self.commune,
                )
            write_depot(
                connection,
                file.id,
                deposited_on=self.deposited_on,
                deposited_by=self.requested_by,
                remarque=self.remarque,
                fingerprint=self.fingerprints.get(file.id),
            )
            detail = f"{file.file_name}, le {short_date(self.deposited_on)}"
            self.note(connection, Action.DEPOT_DECLARED, file, detail)


def read_depot(event: CloudEvent, services: Services, rights: Rights) -> DepotOfFiles:
    """Read the declaration, and the files of lists that it is about.

    Raises:
        RefusedError: it cannot be recorded, and why.
    """
    asked = read_data(event, DepotDeclared)
    files = find_files(asked.commune, asked.exports, services, rights)
    if any(file.edition == Edition.COMMISSION for file in files):
        raise RefusedError(
            "L'exemplaire de la commission ne se dépose pas : déposez celui qui est affiché.", commune=asked.commune
        )
    fingerprints = _take_fingerprints(files, services)
    return DepotOfFiles(asked.commune, asked.requested_by, files, asked.deposited_on, asked.remarque, fingerprints)


def _take_fingerprints(files: list[Export], services: Services) -> dict[int, Fingerprint]:
    """Those of the list files that have none yet; the others are known by what they deposit."""
    with snapshot(services.engine) as connection:
        known = read_depots(connection, [file.id for file in files])
    lists = (file for file in files if file.kind == ExportKind.LISTE)
    return {
        file.id: _take_fingerprint(file, services)
        for file in lists
        if file.id not in known or not known[file.id].has_fingerprint
    }


def _take_fingerprint(file: Export, services: Services) -> Fingerprint:
    if file.purged_at:
        return Fingerprint(reason=PURGED)
    digests = Digests.new()
    path = services.storage.path(file.code_commune, file.file_name)
    try:
        taken = take_fingerprint(path, Format(file.format), digests)
    except (OSError, NotOurFileError) as error:
        log.warning("fingerprint_not_taken", export_id=file.id, error=type(error).__name__)
        return Fingerprint(reason=NOT_INTACT)
    if taken.sha256 != file.sha256:
        log.warning("fingerprint_not_taken", export_id=file.id, error="altered")
        return Fingerprint(reason=NOT_INTACT)
    return Fingerprint(digests.key, taken.fingerprint)
