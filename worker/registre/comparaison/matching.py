"""Matches electors who share an identity, by address, then by order number; writes the comparison report."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    Connection,
    Delete,
    Insert,
    Row,
    Select,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from common.texte import JOINT
from worker.db.engine import STREAM
from worker.domain.identite import fold_identite
from worker.registre.comparaison.differences import CANDIDATES, IDENTITE, PAIRS, identite_columns, place_columns
from worker.registre.comparaison.doubts import DOUBTS, describe_differing
from worker.registre.imports.report import ReportFile, ReportKind
from worker.registre.models import Electeur, Homonym
from worker.registre.versions import BATCH


class MatchingRule(NamedTuple):
    """One matching rule: the values that must be equal, and the text of the report for the agent."""

    same: tuple[str, ...]
    finding: str


MATCHING_RULES = (
    MatchingRule(("adresse", "code_bureau", "numero_ordre"), "même adresse, même bureau, même numéro"),
    MatchingRule(("adresse", "code_bureau"), "même adresse, même bureau, autre numéro"),
    MatchingRule(("adresse",), "même adresse, autre bureau"),
    MatchingRule(("code_bureau", "numero_ordre"), "autre adresse, même bureau, même numéro"),
    MatchingRule((), "autre adresse, autre numéro, à vérifier"),
)
"""The most reliable rule first."""

GUESS = len(MATCHING_RULES) - 1
"""The rule for homonyms with nothing in common but their identity: they are paired in their order.

It applies only if as many are left on each side. Otherwise it is unknown who left or arrived: they become doubts.
"""

SPELLING = 10
"""Added to the `look` of electors whose name is spelled differently than before."""

_IS_UNMATCHED = or_(PAIRS.c.before.is_(None), PAIRS.c.after.is_(None))


def pair_candidates(connection: Connection, first: int = 0) -> None:
    """Pair the candidates of each `group_key`; candidates without a match stay."""
    for pairing, removal in _looks(first):
        if not connection.scalar(_HAS_CANDIDATES):
            return
        connection.execute(pairing)
        connection.execute(removal)


_HAS_CANDIDATES = select(exists().select_from(CANDIDATES))


@cache
def _looks(first: int) -> Sequence[tuple[Insert, Delete]]:
    """Build, for each rule, the statement that pairs candidates and the one that deletes them."""
    looks = []
    for number, look in enumerate(MATCHING_RULES, first):
        before, after, is_same = _two_sides("group_key", *look.same)
        if not look.same:
            is_same = and_(is_same, before.c.number == after.c.number)
        pairs = select(before.c.id, after.c.id, literal(number), before.c.group_key).join_from(before, after, is_same)
        pairing = insert(PAIRS).from_select(["before", "after", "look", "group_key"], pairs)
        done = [select(side).where(PAIRS.c.look == number) for side in (PAIRS.c.before, PAIRS.c.after)]
        looks.append((pairing, delete(CANDIDATES).where(CANDIDATES.c.id.in_(union_all(*done)))))
    return looks


def pair_spellings(connection: Connection) -> None:
    """Pair electors of whom only accents, hyphens or capitals were corrected."""
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


def record_guesses(connection: Connection, import_id: int) -> None:
    """Store the pairs of homonyms that were matched by a guess.

    A corrected spelling is a guess if another elector has the same letters. Call it before the candidates are deleted.
    """
    before, after, other = aliased(Electeur), aliased(Electeur), PAIRS.alias()
    has_other = or_(
        exists().where(other.c.group_key == PAIRS.c.group_key, other.c.after != PAIRS.c.after),
        exists().where(CANDIDATES.c.group_key == PAIRS.c.group_key),
    )
    values: dict[str, Any] = {
        "import_id": literal(import_id),
        **{name: getattr(after, name) for name in ("code_commune", "liste", *IDENTITE[:-1])},
        "bureau_before": before.code_bureau,
        "bureau_after": after.code_bureau,
        "numero_before": before.numero_ordre,
        "numero_after": after.numero_ordre,
    }
    guessed = (
        select(*values.values())
        .join_from(PAIRS, before, before.id == PAIRS.c.before)
        .join(after, after.id == PAIRS.c.after)
        .where(PAIRS.c.look.in_((GUESS, SPELLING + GUESS)))  # first, so that a NULL skips the subqueries
        .where(or_(PAIRS.c.look == GUESS, has_other))
        .order_by(after.id)
    )
    connection.execute(insert(Homonym).from_select(list(values), guessed))


def _two_sides(*same: str) -> tuple[CTE, CTE, Any]:
    """Rank the candidates of each side among equal values; return the two sides and the condition that joins them."""
    within = [CANDIDATES.c[name] for name in same]
    order = [CANDIDATES.c[name] for name in ("numero_ordre", "code_bureau", "adresse", "id")]
    rank, number = func.row_number().over(partition_by=within, order_by=order), func.count().over(partition_by=within)
    ranked = select(CANDIDATES, rank.label("rank"), number.label("number"))
    before, after = (ranked.where(CANDIDATES.c.is_after == side).cte(f"side_{side}") for side in (0, 1))
    return before, after, and_(*(before.c[name] == after.c[name] for name in (*same, "rank")))


@cache
def _unmatched() -> Select[Any]:
    """Select unmatched electors, if an elector with the same date of birth is unmatched on the other side."""
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


COMPARISON = ReportKind(
    (
        *("Commune", "Liste", "Groupe"),
        *("Bureau avant", "Numéro avant", "Bureau après", "Numéro après", "Constat"),
    ),
    "le rapport de comparaison",
    "n'est pas un rapport de comparaison ; déplacez-le",
    "choisissez un autre dossier avec --report",
)


class Finding(NamedTuple):
    """One line of the report: an elector before and after, and the result of the comparison."""

    code_commune: str
    liste: str
    group: str
    """Lines of one group concern one identity; the number is unique within the report."""
    bureau_before: str
    numero_before: str
    bureau_after: str
    numero_after: str
    text: str


def comparison_report(path: Path, rejects: Path | None) -> Path:
    """Return the path of the report: beside the report of rejects if one is given, else beside the file."""
    return (rejects or path).with_name(f"{path.stem}-comparaison.csv")


def findings(connection: Connection) -> Iterator[Finding]:
    """Yield every homonym and corrected spelling, group after group, then the doubts."""
    groups, last = 0, None
    with connection.execute(_homonyms(), execution_options=STREAM) as rows:
        for row in rows:
            groups += row.group_key != last
            last = row.group_key
            yield _finding(row, groups, _describe_pair(row))
    doubts = _places(DOUBTS).add_columns(DOUBTS.c.differs, DOUBTS.c.is_sure)
    with connection.execute(doubts, execution_options=STREAM) as rows:
        for number, row in enumerate(rows, groups + 1):
            differs = describe_differing(row.differs.split())
            asked = f"doute, à trancher par « doutes » : même électeur ? Diffère : {differs}"
            yield _finding(row, number, f"même électeur, corrigé : {differs}" if row.is_sure else asked)


def write_report(path: Path | None, lines: Iterable[Finding]) -> Path | None:
    """Write the report and return its path; None, without a file, if there are no lines or no path.

    Raises:
        ImportRefusedError: the report cannot be written, or the path is that of another file.
    """
    with ReportFile(path, COMPARISON) as report:
        for line in lines:
            report.write(line)
    return report.written


@cache
def _homonyms() -> Select[Any]:
    is_homonym = PAIRS.c.group_key.is_not(None)
    return _places(PAIRS).add_columns(PAIRS.c.before, PAIRS.c.after, PAIRS.c.group_key, PAIRS.c.look).where(is_homonym)


@cache
def _places(pairs: Table) -> Select[Any]:
    before, after = aliased(Electeur), aliased(Electeur)
    columns: list[Any] = [
        func.coalesce(after.code_commune, before.code_commune).label("code_commune"),
        func.coalesce(after.liste, before.liste).label("liste"),
        before.code_bureau,
        before.numero_ordre,
        after.code_bureau,
        after.numero_ordre,
    ]
    order: list[Any] = (
        [pairs.c.group_key, func.coalesce(pairs.c.look, len(MATCHING_RULES))] if "group_key" in pairs.c else []
    )
    for side in (before, after):
        order += [func.coalesce(side.code_bureau, ""), func.coalesce(side.numero_ordre, -1), func.coalesce(side.id, -1)]
    places: Select[Any] = (
        select(*columns)
        .join_from(pairs, before, before.id == pairs.c.before, isouter=True)
        .join(after, after.id == pairs.c.after, isouter=True)
        .order_by(columns[0], columns[1], *order)
    )
    return places


def _describe_pair(row: Row[Any]) -> str:
    if row.before is None:
        return "homonyme : sans correspondant avant, compté en inscription"
    if row.after is None:
        return "homonyme : sans correspondant après, compté en radiation"
    if row.look >= SPELLING:
        return f"orthographe changée, même électeur : {MATCHING_RULES[row.look - SPELLING].finding}"
    return f"homonyme : {MATCHING_RULES[row.look].finding}"


def _finding(row: Row[Any], group: int, text: str) -> Finding:
    places: tuple[Any, ...] = tuple(row[2:6])
    texts = ["" if value is None else str(value) for value in places]
    return Finding._make([row.code_commune, row.liste, str(group), *texts, text])
