"""Who is who among electors that their identity does not tell apart: by address, then by order number."""

from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import CTE, Connection, Row, Select, and_, case, delete, func, insert, literal, or_, select, union_all

from worker.domain.identite import fold_identite
from worker.domain.texte import JOINT
from worker.registre.comparaison.differences import CANDIDATES, IDENTITE, PAIRS, identite_columns, place_columns
from worker.registre.models import Electeur
from worker.registre.versions import BATCH


class MatchingRule(NamedTuple):
    """One look at those who are left: what must be the same, and what a clerk is told of the pair."""

    same: tuple[str, ...]
    finding: str


MATCHING_RULES = (
    MatchingRule(("adresse", "code_bureau", "numero_ordre"), "même adresse, même bureau, même numéro"),
    MatchingRule(("adresse", "code_bureau"), "même adresse, même bureau, autre numéro"),
    MatchingRule(("adresse",), "même adresse, autre bureau"),
    MatchingRule(("code_bureau", "numero_ordre"), "autre adresse, même bureau, même numéro"),
    MatchingRule((), "autre adresse, autre numéro, à vérifier"),
)
"""The surest look first."""

SPELLING = 10
"""Added to the `look` of those whose name is spelled in another way than before."""

_IS_UNMATCHED = or_(PAIRS.c.before.is_(None), PAIRS.c.after.is_(None))


def pair_candidates(connection: Connection, first: int = 0) -> None:
    """Pair the candidates of each `group_key`, and leave those who have no counterpart."""
    for number, look in enumerate(MATCHING_RULES, first):
        before, after, is_same = _two_sides("group_key", *look.same)
        pairs = select(before.c.id, after.c.id, literal(number), before.c.group_key).join_from(before, after, is_same)
        connection.execute(insert(PAIRS).from_select(["before", "after", "look", "group_key"], pairs))
        done = [select(side).where(PAIRS.c.look == number) for side in (PAIRS.c.before, PAIRS.c.after)]
        connection.execute(delete(CANDIDATES).where(CANDIDATES.c.id.in_(union_all(*done))))


def pair_spellings(connection: Connection) -> None:
    """An elector whose accents, hyphens or capitals were corrected has neither left nor come."""
    connection.execute(delete(CANDIDATES))
    with connection.execute(_unmatched(), execution_options={"yield_per": BATCH}) as unmatched:
        candidates = map(_fold, unmatched)
        while batch := list(islice(candidates, BATCH)):
            connection.execute(insert(CANDIDATES), batch)
    pair_candidates(connection, SPELLING)
    found = PAIRS.alias()
    for side in ("before", "after"):
        again = select(found.c[side]).where(found.c.look >= SPELLING)
        connection.execute(delete(PAIRS).where(PAIRS.c[side].in_(again), _IS_UNMATCHED))


def _two_sides(*same: str) -> tuple[CTE, CTE, Any]:
    """Candidates of before and after, ranked among those who have the same values, and when two have the same rank."""
    within = [CANDIDATES.c[name] for name in same]
    order = [CANDIDATES.c[name] for name in ("code_bureau", "numero_ordre", "adresse", "id")]
    ranked = select(CANDIDATES, func.row_number().over(partition_by=within, order_by=order).label("rank"))
    before, after = (ranked.where(CANDIDATES.c.is_after == side).cte(f"side_{side}") for side in (0, 1))
    return before, after, and_(*(before.c[name] == after.c[name] for name in (*same, "rank")))


def _unmatched() -> Select[Any]:
    """Those who came or left, where somebody born on the same date did the contrary."""
    lines = (
        select(Electeur.id, Electeur.code_commune, Electeur.liste, *identite_columns(), *place_columns())
        .add_columns(case((PAIRS.c.before.is_(None), 1), else_=0).label("is_after"))
        .join_from(PAIRS, Electeur, Electeur.id == func.coalesce(PAIRS.c.before, PAIRS.c.after))
        .where(_IS_UNMATCHED)
        .subquery()
    )
    day = [lines.c.code_commune, lines.c.liste, lines.c.date_naissance]
    lowest, highest = (of(lines.c.is_after).over(partition_by=day) for of in (func.min, func.max))
    both = select(lines, lowest.label("lowest"), highest.label("highest")).subquery()
    return select(both).where(both.c.lowest < both.c.highest)


def _fold(row: Row[Any]) -> dict[str, Any]:
    nom, prenoms, born, lieu = (getattr(row, name) for name in IDENTITE)
    group_key = row.code_commune, row.liste, *fold_identite(nom, prenoms, born, lieu, "")
    return {
        "id": row.id,
        "is_after": row.is_after,
        "group_key": JOINT.join(group_key),
        "adresse": row.adresse,
        "code_bureau": row.code_bureau,
        "numero_ordre": row.numero_ordre,
    }
