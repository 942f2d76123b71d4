"""What a person did with files that were made: it is checked, written down, and asks for nothing."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from common.clock import possible_days
from common.french import short_date
from schemas.vocabulary import ExportStatus
from worker.bell import Bell
from worker.db.engine import snapshot
from worker.errors import RefusedError
from worker.exports.audit import Action, record_audit
from worker.exports.models import Export
from worker.handlers.rights import Rights
from worker.handlers.services import Services


@dataclass(frozen=True)
class Declaration(ABC):
    """Of one or several files of a commune; `requested_by` is the agent who says so."""

    commune: str
    requested_by: str
    files: Sequence[Export]

    @abstractmethod
    def apply(self, connection: Connection, now: datetime) -> None:
        """Write it down, in the transaction of its request.

        Raises:
            RefusedError: it cannot be; nothing was written.
        """

    def doorbells(self) -> Iterable[Bell]:
        """What is left to do about these files, once the declaration is recorded: nothing, but of a deposit."""
        return ()

    def note(self, connection: Connection, action: Action, file: Export, detail: str) -> None:
        """Add its line to the audit trail."""
        record_audit(
            connection,
            action,
            actor=self.requested_by,
            code_commune=self.commune,
            export_id=file.id,
            detail=detail,
        )

    def refuse_future(self, day: date, now: datetime) -> None:
        """Go on only if the day has come, in the commune."""
        if day > possible_days(now, self.commune)[1]:
            raise RefusedError(f"Le {short_date(day)} n'est pas encore venu : vérifiez la date.", commune=self.commune)


def find_files(commune: str, export_ids: Iterable[int], services: Services, rights: Rights) -> list[Export]:
    """The files that a declaration is about, in the order of its numbers; those that were purged since included.

    Raises:
        RefusedError: the sender may not, a file is not one of the commune, or was never made.
    """
    rights.require(commune)
    ids = list(export_ids)
    with snapshot(services.engine) as connection, Session(connection) as session:
        query = select(Export).where(Export.id.in_(ids), Export.code_commune == commune)
        found = {export.id: export for export in session.scalars(query)}
    if found.keys() != set(ids):
        raise RefusedError(f"Fichier inconnu : un des numéros n'est pas celui d'un fichier de {commune}.")
    if missing := [file.label for file in found.values() if file.status != ExportStatus.READY]:
        raise RefusedError(f"Ce fichier n'est pas prêt : « {missing[0]} ».", commune=commune)
    return [found[number] for number in ids]
