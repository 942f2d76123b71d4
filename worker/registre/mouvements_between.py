"""The mouvements that should account for what changed between two list files."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, exists, select

from schemas.vocabulary import Liste
from worker.db.engine import STREAM
from worker.domain.mouvement import Etat, Nature
from worker.domain.texte import clean
from worker.registre.mouvement_models import MouvementRegistre

_WHO = ("nom_naissance", "prenoms", "date_naissance", "commune_naissance", "pays_naissance")
_COMING_OR_GOING = {nature.value: nature for nature in (Nature.INSCRIPTION, Nature.RADIATION)}


class DatedMouvement(NamedTuple):
    """An inscription or a radiation, and what its elector is known by."""

    nature: Nature
    nom_naissance: str
    prenoms: str
    date_naissance: str
    commune_naissance: str
    pays_naissance: str


def has_mouvements(connection: Connection, code_commune: str, liste: Liste) -> bool:
    """Whether the register holds any mouvement of a list."""
    return bool(connection.scalar(select(exists().where(_of_liste(code_commune, liste)))))


def select_between(
    connection: Connection, code_commune: str, liste: Liste, after: date, until: date
) -> Iterator[DatedMouvement]:
    """The inscriptions and radiations of a list that are applied, dated later than `after` and no later than `until`.

    One that is still actif has not touched the list.
    """
    known = MouvementRegistre
    query = select(known.nature, *(getattr(known, name) for name in _WHO)).where(
        _of_liste(code_commune, liste),
        known.nature.in_(_COMING_OR_GOING),
        known.etat == Etat.APPLIQUE.value,
        known.date_mouvement > after,
        known.date_mouvement <= until,
    )
    with connection.execute(query, execution_options=STREAM) as rows:
        for nature, *who in rows:
            yield DatedMouvement(_COMING_OR_GOING[nature], *map(clean, who))


def _of_liste(code_commune: str, liste: Liste) -> ColumnElement[bool]:
    return and_(MouvementRegistre.code_commune == code_commune, MouvementRegistre.liste == liste.value)
