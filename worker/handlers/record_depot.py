"""Somebody has deposited files on e-listelec: the day, and who says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from common.clock import possible_days
from common.french import short_date
from schemas.declarations import DepotDeclared
from schemas.envelope import CloudEvent
from schemas.tableaux import Edition
from schemas.vocabulary import ExportKind
from worker.bell import Bell
from worker.errors import RefusedError
from worker.exports.audit import Action
from worker.exports.depots import write_depot
from worker.handlers.declaration import Declaration, find_files
from worker.handlers.rights import Rights
from worker.handlers.services import Services
from worker.handlers.wanted import read_data


@dataclass(frozen=True)
class DepotOfFiles(Declaration):
    """The deposit of one or several files on one day."""

    deposited_on: date
    remarque: str

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
            )
            detail = f"{file.file_name}, le {short_date(self.deposited_on)}"
            self.note(connection, Action.DEPOT_DECLARED, file, detail)

    def doorbells(self) -> Iterator[Bell]:
        """A fingerprint of each list, among what is of batches: nobody waits for it."""
        return (Bell(file.id, ExportKind.LISTE, is_bulk=True) for file in self.files if file.kind == ExportKind.LISTE)


def read_depot(event: CloudEvent, services: Services, rights: Rights) -> DepotOfFiles:
    """Read the declaration.

    Raises:
        RefusedError: it cannot be recorded, and why.
    """
    asked = read_data(event, DepotDeclared)
    files = find_files(asked.commune, asked.exports, services, rights)
    if any(file.edition == Edition.COMMISSION for file in files):
        raise RefusedError(
            "L'exemplaire de la commission ne se dépose pas : déposez celui qui est affiché.", commune=asked.commune
        )
    return DepotOfFiles(asked.commune, asked.requested_by, files, asked.deposited_on, asked.remarque)
