"""The communes that the register knows: the reference data of INSEE, and those that the operator adds."""

import re

from sqlalchemy import Connection, insert, select, update

from worker.domain.texte import clean
from worker.errors import RefusedError
from worker.registre.models import Commune
from worker.registre.reference import departement_of, iter_communes
from worker.registre.reu_columns import fold_title

_CODE = re.compile(r"(?:\d{2}|2[AB])\d{3}", re.ASCII)


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
    if not _CODE.fullmatch(code):
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
