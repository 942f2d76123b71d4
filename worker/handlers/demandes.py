"""The dates of a tableau on its row, as JSON: a retry prints the same, whatever the register has learnt since."""

from typing import Any

from pydantic import TypeAdapter

from worker.domain.demande import Demande
from worker.exports.models import Export

_DEMANDE = TypeAdapter(Demande)
_COLUMNS = {"type", "presentation", "edition", "requested_at"}
"""They have columns of their own."""


def to_parameters(demande: Demande) -> dict[str, Any]:
    """For the column `parameters`."""
    parameters: dict[str, Any] = _DEMANDE.dump_python(demande, mode="json", exclude=_COLUMNS)
    return parameters


def read_demande(export: Export) -> Demande:
    """What the row asks for."""
    columns = {
        "type": export.type_tableau,
        "presentation": export.presentation,
        "edition": export.edition,
        "requested_at": export.request.created_at,
    }
    return _DEMANDE.validate_python(columns | export.parameters)
