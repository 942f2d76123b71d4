"""The protected electors of a commune, whose address no tableau prints. Code électoral, art. L. 37.

An export of the REU does not state who is protected, and each import replaces the register: protections are stored
separately, by name and date of birth. Homonyms born on one day are protected together: masking too much does no harm.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select

from common.texte import clean
from worker.domain.identite import base_letters, sort_key
from worker.errors import RefusedError
from worker.registre.models import Electeur, ListeCommunale, MouvementRegistre, Protection
from worker.registre.versions import is_shown


class Protege(NamedTuple):
    """A protected elector; the date of birth is AAAA-MM-JJ, unknown parts are zeros."""

    nom_naissance: str
    prenoms: str
    date_naissance: str

    def folded(self) -> "Protege":
        """Return the folded identity: accents, case and hyphens do not count."""
        return Protege(
            base_letters(self.nom_naissance), base_letters(self.prenoms), self.date_naissance
        )


def select_protections(connection: Connection, code_commune: str) -> list[Protege]:
    """Return the protected electors of a commune, ordered by name."""
    query = select(*_columns(Protection)).where(Protection.code_commune == code_commune)
    found = [Protege(*row) for row in connection.execute(query)]
    return sorted(
        found, key=lambda it: (sort_key(it.nom_naissance), sort_key(it.prenoms), it.date_naissance)
    )


def find_electeur(connection: Connection, code_commune: str, electeur_id: int) -> Protege:
    """Return an elector who is on a list of the commune now, by the id of the row; each import assigns new ids.

    Raises:
        RefusedError: no elector has that id any more.
    """
    query = select(*_columns(Electeur)).join(ListeCommunale, is_shown())
    row = connection.execute(
        query.where(Electeur.code_commune == code_commune, Electeur.id == electeur_id)
    ).first()
    if row is None:
        raise RefusedError(
            "Cette personne n'est plus sur la liste de la commune, ou la liste a été reprise depuis : cherchez-la de "
            "nouveau.",
            code="electeur_inconnu",
            field="data.note.electeur",
        )
    return Protege(*map(clean, row))


def find_protection(connection: Connection, code_commune: str, protection_id: int) -> Protege:
    """Return the elector of a protection, by the id of the row.

    Raises:
        RefusedError: the commune has no such protection.
    """
    is_it = Protection.code_commune == code_commune, Protection.id == protection_id
    row = connection.execute(select(*_columns(Protection)).where(*is_it)).first()
    if row is None:
        raise RefusedError(
            "Cette protection n'existe plus : rechargez la page.",
            code="protection_inconnue",
            field="data.note.protection",
        )
    return Protege(*row)


def add_protection(connection: Connection, code_commune: str, protege: Protege) -> None:
    """Protect an elector, under the name in the register; protecting an elector again does nothing.

    Raises:
        RefusedError: neither the lists of the commune nor its mouvements contain the elector.
    """
    key, namesakes = protege.folded(), list[Protege]()
    listed = select(*_columns(Electeur)).join(ListeCommunale, is_shown())
    for query, table in (
        (listed, Electeur),
        (select(*_columns(MouvementRegistre)), MouvementRegistre),
    ):
        born = table.code_commune == code_commune, table.date_naissance == protege.date_naissance
        namesakes += [Protege(*map(clean, row)) for row in connection.execute(query.where(*born))]
    known = next((it for it in namesakes if it.folded() == key), None)
    if known is None:
        raise RefusedError(
            "personne de ce nom, de ces prénoms et de cette date de naissance, ni sur les listes de la commune ni dans "
            "ses mouvements : écrivez-les comme sur la liste, avec tous les prénoms"
        )
    _protect(connection, code_commune, known)


def extend_protection(
    connection: Connection, code_commune: str, former: Protege, corrected: Protege
) -> bool:
    """Protect the corrected name of an elector whose former name is protected; return whether it is."""
    is_protegee = former.folded() in {
        it.folded() for it in select_protections(connection, code_commune)
    }
    if is_protegee:
        _protect(connection, code_commune, corrected)
    return is_protegee


def _protect(connection: Connection, code_commune: str, protege: Protege) -> None:
    if protege.folded() not in {it.folded() for it in select_protections(connection, code_commune)}:
        connection.execute(
            insert(Protection).values(code_commune=code_commune, **protege._asdict())
        )


def remove_protection(connection: Connection, code_commune: str, protege: Protege) -> None:
    """Remove the protection of an elector.

    Raises:
        RefusedError: the elector is not protected.
    """
    key = protege.folded()
    found = [it for it in select_protections(connection, code_commune) if it.folded() == key]
    if not found:
        raise RefusedError("cette personne n'est pas parmi les électeurs protégés de la commune")
    for it in found:
        is_it = [column == value for column, value in zip(_columns(Protection), it, strict=True)]
        connection.execute(
            delete(Protection).where(Protection.code_commune == code_commune, *is_it)
        )


def _columns(table: type[Protection | Electeur | MouvementRegistre]) -> list[Any]:
    return [table.nom_naissance, table.prenoms, table.date_naissance]
