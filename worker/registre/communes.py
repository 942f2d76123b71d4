"""What the register knows of a commune and its lists."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from schemas.vocabulary import Liste
from worker.errors import ExportError
from worker.registre.models import Commune, ListeCommunale


@dataclass(frozen=True)
class CommuneRegistre:
    """A commune, with the version of each of its lists that has been imported."""

    code: str
    nom: str
    code_departement: str
    versions: dict[Liste, int]


def read_commune(connection: Connection, code: str) -> CommuneRegistre | None:
    """Read a commune; None when neither the register nor the reference data know it."""
    commune = connection.execute(
        select(Commune.code, Commune.nom, Commune.code_departement).where(Commune.code == code)
    ).one_or_none()
    if commune is None:
        return None
    versions = connection.execute(
        select(ListeCommunale.liste, ListeCommunale.version).where(ListeCommunale.code_commune == code)
    )
    return CommuneRegistre(*commune, versions={Liste(liste): version for liste, version in versions})


def require_commune(connection: Connection, code: str) -> CommuneRegistre:
    """Read a commune that a request was accepted for.

    Raises:
        ExportError: its register is not there any more.
    """
    commune = read_commune(connection, code)
    if commune is None or not commune.versions:
        raise ExportError(f"Le registre de {code} a disparu depuis la demande : importez-le de nouveau.")
    return commune
