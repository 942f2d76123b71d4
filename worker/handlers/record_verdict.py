"""The platform has answered: a deposit stands, or is to be made again."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from common.french import short_date
from schemas.declarations import DepotVerdictDeclared
from schemas.envelope import CloudEvent
from schemas.vocabulary import Verdict
from worker.errors import RefusedError
from worker.exports.audit import Action
from worker.exports.depots import read_depots, write_verdict
from worker.handlers.declaration import Declaration, find_files
from worker.handlers.rights import Rights
from worker.handlers.services import Services
from worker.handlers.wanted import read_data


@dataclass(frozen=True)
class VerdictOnFiles(Declaration):
    """What was answered about one or several files; `answer` may name electors: no log has it."""

    verdict: Verdict
    verdict_on: date
    answer: str

    def apply(self, connection: Connection, now: datetime) -> None:
        """Write it down; said again, it corrects what was said before."""
        self.refuse_future(self.verdict_on, now)
        depots = read_depots(connection, [file.id for file in self.files])
        for file in self.files:
            if file.id not in depots:
                raise RefusedError(
                    f"Aucun dépôt n'est déclaré pour « {file.label} » : déclarez-le d'abord.", commune=self.commune
                )
            if self.verdict_on < depots[file.id]:
                raise RefusedError(
                    f"La réponse du {short_date(self.verdict_on)} précède le dépôt de « {file.label} » : vérifiez la "
                    "date.",
                    commune=self.commune,
                )
            write_verdict(
                connection,
                file,
                verdict=self.verdict,
                verdict_on=self.verdict_on,
                verdict_by=self.requested_by,
                answer=self.answer,
            )
            detail = f"{file.file_name} : {self.verdict.label} le {short_date(self.verdict_on)}"
            self.note(connection, Action.DEPOT_VERDICT, file, detail)


def read_verdict(event: CloudEvent, services: Services, rights: Rights) -> VerdictOnFiles:
    """Read the declaration.

    Raises:
        RefusedError: it cannot be recorded, and why.
    """
    asked = read_data(event, DepotVerdictDeclared)
    files = find_files(asked.commune, asked.exports, services, rights)
    return VerdictOnFiles(asked.commune, asked.requested_by, files, asked.verdict, asked.verdict_on, asked.answer)
