"""The differences between two versions of the lists, as mouvements made ready to be recorded.

The export does not say why somebody came or left, so the category and the motif of an inscription or a radiation stay
empty. Since 2019 a registration takes effect at once (Code électoral, art. L. 16 and L. 17), hence `Immediat`, and the
list shows it already, hence `applique`. The date de tableau is the day of the mouvement: no yearly tableau shows it.
"""

from datetime import date
from typing import Any

from sqlalchemy import Connection, Date, Select, and_, case, exists, func, insert, literal, null, or_, select
from sqlalchemy.orm import aliased

from schemas.vocabulary import Liste
from worker.domain.mouvement import Categorie, Effet, Etat, Nature
from worker.registre.difference_tables import PAIRS
from worker.registre.electeur_sql import adresse, details, identite_columns
from worker.registre.models import Electeur
from worker.registre.mouvement_models import MouvementRegistre
from worker.registre.mouvement_staging import FIELDS, STAGED

MOTIF = "Changement de bureau constaté dans l'export du REU"

_BEFORE, _SHOWN = aliased(Electeur, name="before"), aliased(Electeur, name="shown")
"""The elector before (nobody of an inscription), and as the tableau shows her: after, or before when she left."""

_AS_THEY_ARE = (
    *("nom_naissance", "nom_usage", "prenoms", "date_naissance", "commune_naissance", "departement_naissance"),
    *("pays_naissance", "nationalite"),
)


def make_mouvements(connection: Connection, jour: date) -> None:
    """Put into STAGED one mouvement for each elector who came, left or changed bureau."""
    is_mouvement = or_(PAIRS.c.before.is_(None), PAIRS.c.after.is_(None), _BEFORE.code_bureau != _SHOWN.code_bureau)
    names, values = zip(*_values(jour).items(), strict=True)
    connection.execute(insert(STAGED).from_select(list(names), _paired(*values).where(is_mouvement)))


def count_natures(connection: Connection) -> dict[str, int]:
    """How many mouvements of each nature were made ready."""
    query = select(STAGED.c.nature, func.count().label("number")).group_by(STAGED.c.nature)
    return {row.nature: row.number for row in connection.execute(query)}


def count_others(connection: Connection) -> int:
    """Electors who stay in their bureau and differ by their address, their name of use and so on."""
    before, after = (_told_by(electeur) for electeur in (_BEFORE, _SHOWN))
    differs = or_(*(one != other for one, other in zip(before, after, strict=True)))
    query = _paired(func.count()).where(
        PAIRS.c.before.is_not(None), PAIRS.c.after.is_not(None), _BEFORE.code_bureau == _SHOWN.code_bureau, differs
    )
    count: int = connection.execute(query).scalar_one()
    return count


def _told_by(electeur: Any) -> list[Any]:  # noqa: ANN401 — an alias of Electeur
    return [*identite_columns(electeur), details(electeur)]


def _paired(*columns: Any) -> Select[Any]:  # noqa: ANN401 — expressions
    return (
        select(*columns)
        .join_from(PAIRS, _SHOWN, _SHOWN.id == func.coalesce(PAIRS.c.after, PAIRS.c.before))
        .join(_BEFORE, _BEFORE.id == PAIRS.c.before, isouter=True)
    )


def _values(jour: date) -> dict[str, Any]:
    """The columns of STAGED."""
    e = _SHOWN
    came, left = PAIRS.c.before.is_(None), PAIRS.c.after.is_(None)
    order = [e.code_commune, e.liste, e.nom_naissance, e.prenoms, e.date_naissance, e.id]
    values = {
        "rank": func.row_number().over(order_by=order),
        "code_commune": e.code_commune,
        "liste": e.liste,
        "nature": case(
            (came, Nature.INSCRIPTION.value), (left, Nature.RADIATION.value), else_=Nature.MODIFICATION.value
        ),
        "effet": literal(Effet.IMMEDIAT.value),
        "etat": literal(Etat.APPLIQUE.value),
        "categorie": case((or_(came, left), Categorie.NON_PRECISEE.value), else_=Categorie.CHANGEMENT_BUREAU.value),
        "motif": case((or_(came, left), ""), else_=MOTIF),
        "date_tableau": literal(jour, Date),
        "date_mouvement": literal(jour, Date),
        "scrutin": null(),
        "ancien_bureau": case((came, ""), else_=_BEFORE.code_bureau),
        "nouveau_bureau": case((left, ""), else_=e.code_bureau),
        "numero": func.coalesce(e.numero_ordre, 0),
        **{name: getattr(e, name) for name in _AS_THEY_ARE},
        "adresse": adresse(e),
        "is_protegee": _is_protegee(),
    }
    return {name: values[name] for name in ("rank", *FIELDS)}


def _is_protegee() -> Any:  # noqa: ANN401 — a condition
    """Whoever was protected once stays so: her address is never printed because another file does not know."""
    known, e = MouvementRegistre, _SHOWN
    return exists().where(
        and_(
            known.code_commune == e.code_commune,
            known.liste.in_([liste.value for liste in Liste]),
            known.nom_naissance == e.nom_naissance,
            known.prenoms == e.prenoms,
            known.date_naissance == e.date_naissance,
            known.is_protegee,
        )
    )
