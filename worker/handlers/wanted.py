"""What a request asks for, once it has been read and can be served: whose, for whom, which files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError
from sqlalchemy import Connection

from schemas.envelope import CloudEvent
from schemas.faults import explain
from schemas.requests import Contract
from schemas.vocabulary import Liste
from worker.errors import RefusedError
from worker.exports.naming import Naming
from worker.registre.communes import CommuneRegistre, read_commune

Asked = TypeVar("Asked", bound=Contract)


@dataclass(frozen=True)
class WantedFile:
    """One row to be: which file of the request, how it is called, its columns."""

    part: str
    naming: Naming
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """A request that can be served."""

    commune: str
    requested_by: str
    files: Sequence[WantedFile]


def read_data(event: CloudEvent, model: type[Asked]) -> Asked:
    """The data of an event.

    Raises:
        RefusedError: it breaks the contract; the reason names the field, never its value.
    """
    try:
        return model.model_validate(event.data)
    except ValidationError as error:
        raise RefusedError(f"Demande invalide : {explain(error)}.") from None


def require_register(connection: Connection, code: str, listes: Sequence[Liste]) -> CommuneRegistre:
    """The commune, with a register that holds what is asked for.

    Raises:
        RefusedError: the commune is not known, or nothing was imported for it.
    """
    commune = read_commune(connection, code)
    if commune is None:
        raise RefusedError(f"Commune inconnue : {code}. Vérifiez le code INSEE.")
    if not commune.versions:
        raise RefusedError(f"Aucun registre importé pour {code} : importez d'abord l'export du REU.")
    if Liste.PRINCIPALE in listes and Liste.PRINCIPALE not in commune.versions:
        raise RefusedError(f"Aucune liste principale importée pour {code} : importez d'abord l'export du REU.")
    return commune
