"""A request for files that failed or were cancelled: one new row for each, with what the earlier row asked for.

Files that it names are made again even if they were ready: one that was altered since, or purged.
"""

from schemas.envelope import CloudEvent
from schemas.requests import RetryRequested
from schemas.vocabulary import ExportStatus
from worker.errors import RefusedError
from worker.exports.models import Export
from worker.exports.naming import naming_of
from worker.handlers.earlier import find_earlier
from worker.handlers.rights import Rights
from worker.handlers.services import Services
from worker.handlers.wanted import Wanted, WantedFile, read_data, require_register

_AGAIN = {ExportStatus.FAILED, ExportStatus.CANCELLED}
_COPIED = ("kind", "liste", "format", "type_tableau", "presentation", "edition", "parameters", "is_bulk")


def want_again(event: CloudEvent, services: Services, rights: Rights) -> Wanted:
    """Read the request.

    Raises:
        RefusedError: it cannot be served, and why.
    """
    asked = read_data(event, RetryRequested)
    earlier = find_earlier(asked, services, rights)
    states = _AGAIN | {ExportStatus.READY} if asked.exports else _AGAIN
    exports = [export for export in earlier.exports if export.status in states]
    if not exports:
        raise RefusedError(
            "Rien à redemander : aucun de ces fichiers n'est en échec ni annulé.", commune=earlier.commune
        )
    with services.registre.connect() as connection:
        require_register(connection, earlier.commune, [export.nom_liste for export in exports])
    return Wanted(earlier.commune, asked.requested_by, [_file(export) for export in exports])


def _file(export: Export) -> WantedFile:
    columns = {name: getattr(export, name) for name in _COPIED}
    return WantedFile(export.part, naming_of(export), columns)
