"""A request for tableaux: one row per type, list and presentation, with the dates that each is counted from."""

from datetime import datetime

from common.calendrier import is_poll_day
from common.french import short_date
from schemas.envelope import CloudEvent
from schemas.requests import TableauPart, TableauxRenderRequested
from schemas.vocabulary import ExportKind, FileFormat
from worker.domain.demande import Demande, DemandeInvalide
from worker.domain.reperes import Calendrier, dates_of
from worker.errors import RefusedError
from worker.exports.naming import TableauNaming
from worker.handlers.demandes import to_parameters
from worker.handlers.rights import Rights
from worker.handlers.services import Services
from worker.handlers.wanted import Wanted, WantedFile, read_data, require_register
from worker.registre.scrutins import read_calendrier


def want_tableaux(event: CloudEvent, services: Services, rights: Rights) -> Wanted:
    """Read the request.

    Raises:
        RefusedError: it cannot be served, and why.
    """
    asked = read_data(event, TableauxRenderRequested)
    rights.require(asked.commune)
    if asked.scrutin and not is_poll_day(asked.scrutin, asked.commune):
        raise RefusedError(f"On ne vote pas le {short_date(asked.scrutin)} : vérifiez la date du scrutin.")
    with services.registre.connect() as connection:
        require_register(connection, asked.commune, asked.listes)
        calendriers = {liste: read_calendrier(connection, asked.commune, liste) for liste in asked.listes}
    files = [_file(asked, part, calendriers[part.liste], event.time) for part in asked.parts()]
    return Wanted(asked.commune, asked.requested_by, files)


def _file(asked: TableauxRenderRequested, part: TableauPart, calendrier: Calendrier, now: datetime) -> WantedFile:
    try:
        demande = Demande(type=part.type, requested_at=now, **dates_of(asked, part.type, calendrier))
    except DemandeInvalide as error:
        raise RefusedError(f"{error}.") from None
    return WantedFile(
        part=f"{part.type}.{part.liste}.{part.presentation}",
        naming=TableauNaming(asked.commune, part, asked.edition),
        columns={
            "kind": ExportKind.TABLEAU,
            "liste": part.liste,
            "format": FileFormat.PDF,
            "type_tableau": part.type,
            "presentation": part.presentation,
            "edition": asked.edition,
            "is_bulk": asked.bulk,
            "parameters": to_parameters(demande),
        },
    )
