"""Somebody does not want the files of a request any more: those that are not made yet will not be."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from schemas.envelope import CloudEvent
from schemas.requests import CancelRequested
from worker.errors import RefusedError
from worker.exports.records import cancel
from worker.handlers.authorization import Authorization
from worker.handlers.export_plan import read_data
from worker.handlers.known_request import find_request
from worker.handlers.services import Services


@dataclass(frozen=True)
class Cancellation:
    """Files not to be made. Those that are ready by then stay."""

    commune: str
    requested_by: str
    export_ids: Sequence[int]

    def apply(self, connection: Connection) -> int:
        """Cancel them; how many there were.

        Raises:
            RefusedError: none was left to cancel.
        """
        number = cancel(connection, self.export_ids, f"Annulé par {self.requested_by}.")
        if not number:
            raise RefusedError(
                "Rien à annuler : ces fichiers sont déjà prêts, en échec ou annulés.",
                commune=self.commune,
                code="rien_a_annuler",
                field="data.request",
            )
        return number


def read_cancellation(event: CloudEvent, services: Services, authorization: Authorization) -> Cancellation:
    """Read the request.

    Raises:
        RefusedError: it cannot be served, and why.
    """
    asked = read_data(event, CancelRequested)
    known = find_request(asked, services, authorization)
    return Cancellation(known.commune, asked.requested_by, [export.id for export in known.exports])
