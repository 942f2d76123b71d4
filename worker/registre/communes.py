"""The communes: the reference data of INSEE and those that the operator adds, and what the register knows of each."""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from common.texte import clean
from schemas.vocabulary import Liste
from worker.errors import ExportError, RefusedError
from worker.registre.imports.lines import fold_title
from worker.registre.models import Commune, ListeCommunale
from worker.registre.reference import departement_of, is_code_commune, iter_communes

NO_VERSION = -1
"""A list that was never imported has no elector: its file is the header alone."""


@dataclass(frozen=True)
class CommuneRegistre:
    """A commune, with the version of each of its lists that has been imported."""

    code: str
    nom: str
    code_departement: str
    versions: dict[Liste, int]


def read_commune(connection: Connection, code: str) -> CommuneRegistre | None:
    """Read a commune; None when neither the register nor the reference data know it."""
    columns = Commune.code, Commune.nom, Commune.code_departement
    row = connection.execute(select(*columns).where(Commune.code == code)).one_or_none()
    if row is None:
        return None
    versions = select(ListeCommunale.liste, ListeCommunale.version).where(ListeCommunale.code_commune == code)
    return CommuneRegistre(*row, versions={Liste(it): version for it, version in connection.execute(versions)})


def check_commune(connection: Connection, code: str) -> None:
    """Let a code pass that the register or the reference data know.

    Raises:
        RefusedError: they do not.
    """
    if connection.execute(select(Commune.code).where(Commune.code == code)).first() is None:
        raise RefusedError(f"commune inconnue : {code}. Cherchez son code avec « communes --search ».")


def require_commune(connection: Connection, code: str) -> CommuneRegistre:
    """Read a commune that a request was accepted for.

    Raises:
        ExportError: its register is not there any more.
    """
    commune = read_commune(connection, code)
    if commune is None or not commune.versions:
        raise ExportError(f"Le registre de {code} a disparu depuis la demande : importez-le de nouveau.")
    return commune


def load_reference(connection: Connection) -> int:
    """Insert the communes of the reference that are missing; returns how many. What stands is left as it is."""
    known = read_codes(connection)
    missing = [
        {"code": commune.code, "nom": commune.nom, "code_departement": commune.departement}
        for commune in iter_communes()
        if commune.code not in known
    ]
    if missing:
        connection.execute(insert(Commune), missing)
    return len(missing)


def read_codes(connection: Connection) -> frozenset[str]:
    """The INSEE codes of all communes."""
    return frozenset(connection.scalars(select(Commune.code)))


def add_commune(connection: Connection, code: str, nom: str) -> None:
    """Add a commune (a new one, or a fictitious one), or give a known one another name.

    Raises:
        RefusedError: the code is not an INSEE code of five characters, or the name is empty.
    """
    code, nom = code.upper(), clean(nom)
    if not is_code_commune(code):
        raise RefusedError(f"« {code} » n'est pas un code INSEE de commune : cinq caractères, 13055 ou 2A004")
    if not nom:
        raise RefusedError("le nom de la commune est vide")
    done = connection.execute(update(Commune).where(Commune.code == code).values(nom=nom))
    if not done.rowcount:
        connection.execute(insert(Commune).values(code=code, nom=nom, code_departement=departement_of(code)))


def search_communes(connection: Connection, text: str) -> list[tuple[str, str, str]]:
    """Code, name and département of the communes of that code, or whose name holds the text, accents and case aside."""
    words = fold_title(text)
    query = select(Commune.code, Commune.nom, Commune.code_departement).order_by(Commune.code)
    return [
        (code, nom, departement)
        for code, nom, departement in connection.execute(query)
        if code == text.upper() or (words and words in fold_title(nom))
    ]
