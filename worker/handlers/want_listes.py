"""A request for list files: one row per list and per format."""

from schemas.envelope import CloudEvent
from schemas.requests import ListeExportRequested
from worker.exports.naming import ListeNaming
from worker.handlers.rights import Rights
from worker.handlers.services import Services
from worker.handlers.wanted import Wanted, WantedFile, read_data, require_register


def want_listes(event: CloudEvent, services: Services, rights: Rights) -> Wanted:
    """Read the request.

    Raises:
        RefusedError: it cannot be served, and why.
    """
    asked = read_data(event, ListeExportRequested)
    rights.require(asked.commune)
    with services.registre.connect() as connection:
        require_register(connection, asked.commune, asked.listes)
    files = [
        WantedFile(
            part=f"{liste}.{format_}",
            naming=ListeNaming(asked.commune, liste, format_),
            columns={"liste": liste, "format": format_, "is_bulk": asked.bulk},
        )
        for liste, format_ in asked.parts()
    ]
    return Wanted(asked.commune, asked.requested_by, files)
