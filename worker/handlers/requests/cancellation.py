"""The cancellation of a request: of its files that are not made yet, of its export of the REU."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from schemas.envelope import CloudEvent
from schemas.requests import CancelRequested
from worker.access.authorization import Authorization
from worker.arrivals import drop
from worker.audit import Action, record_audit
from worker.errors import RefusedError
from worker.exports.records import cancel, cancelled_by
from worker.handlers.requests.export_plan import find_request, read_data
from worker.services import Services


class Dropped(NamedTuple):
    """How many files will not be made, which exports of the REU not imported: these are to be erased."""

    exports: int
    previews: Sequence[int]


@dataclass(frozen=True)
class Cancellation:
    """Files not to be made, or an export of the REU not to be imported. What is ready, or imported, by then stays."""

    commune: str
    requested_by: str
    request_id: int
    export_ids: Sequence[int]
    account: str = ""

    def apply(self, connection: Connection) -> Dropped:
        """Cancel them.

        Raises:
            RefusedError: none was left to cancel.
        """
        number = cancel(connection, self.export_ids, cancelled_by(self.requested_by))
        previews = drop(connection, self.request_id)
        for preview_id in previews:
            record_audit(
                connection,
                Action.ARRIVAL_DROPPED,
                actor=self.requested_by,
                account=self.account,
                code_commune=self.commune,
                detail=f"aperçu {preview_id}",
            )
        if not number and not previews:
            raise RefusedError(
                "Rien à annuler : ces fichiers sont déjà prêts, en échec ou annulés.",
                commune=self.commune,
                code="rien_a_annuler",
                field="data.request",
            )
        return Dropped(number, previews)


def read_cancellation(event: CloudEvent, services: Services, authorization: Authorization) -> Cancellation:
    """Read the request.

    Raises:
        RefusedError: it cannot be served, and why.
    """
    asked = read_data(event, CancelRequested)
    known = find_request(asked, services, authorization)
    return Cancellation(known.commune, asked.requested_by, known.request_id, [export.id for export in known.exports])
