"""The earlier request that a new one is about, to cancel its files or to ask for them again."""

from dataclasses import dataclass

from sqlalchemy import not_, or_, select
from sqlalchemy.orm import Session, selectinload

from schemas.requests import CancelRequested, RetryRequested
from schemas.vocabulary import RequestOutcome
from worker.db.engine import snapshot
from worker.errors import NotKnownYetError, RefusedError
from worker.exports.models import WITHOUT_KEY, Export, Request
from worker.exports.parked import request_key
from worker.handlers.authorization import Authorization
from worker.handlers.services import Services


@dataclass(frozen=True)
class KnownRequest:
    """What was found: the commune, and the files that are meant."""

    commune: str
    exports: list[Export]


def find_request(
    asked: CancelRequested | RetryRequested, services: Services, authorization: Authorization
) -> KnownRequest:
    """The request and the files that are meant: of several that were sent under one id, the account's own.

    Raises:
        NotKnownYetError: there is none, or it is of a commune that the sender may not ask for: he cannot tell which,
            since both wait for as long before they are refused.
        RefusedError: one of the files is not of this request.
    """
    is_own = Request.sender == authorization.sender
    named = (
        *(
            Request.source == asked.request.source,
            Request.event_id == asked.request.id,
            Request.code.not_in(WITHOUT_KEY),
        ),
        or_(is_own, Request.outcome == RequestOutcome.ACCEPTED),
    )
    query = select(Request).where(*named).options(selectinload(Request.exports)).order_by(not_(is_own), Request.id)
    with snapshot(services.engine) as connection, Session(connection) as session:
        found = session.scalars(query).all()
    request = next((it for it in found if all(map(authorization.allows, _communes(it)))), None)
    if request is None:
        raise NotKnownYetError(
            "Demande introuvable : vérifiez son identifiant et sa source, et qu'elle est d'une commune dont ce compte "
            "peut demander les fichiers.",
            waits_for=request_key(asked.request.source, asked.request.id),
            code="demande_introuvable",
            field="data.request",
        )
    exports = {export.id: export for export in request.exports}
    meant = asked.exports or list(exports)
    if not exports.keys() >= set(meant):
        raise RefusedError(
            "Fichier inconnu : un des numéros n'est pas celui d'un fichier de cette demande.",
            commune=request.code_commune,
            code="fichier_inconnu",
            field="data.exports",
        )
    return KnownRequest(request.code_commune, [exports[number] for number in meant])


def _communes(request: Request) -> set[str]:
    return {request.code_commune, *(export.code_commune for export in request.exports)} - {""}
