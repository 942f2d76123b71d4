"""The differences between two versions of a list: only they leave the table of electors."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    case,
    func,
    insert,
    literal,
    not_,
    null,
    select,
)

from worker.domain.texte import JOINT
from worker.registre.difference_tables import CANDIDATES, HAS_HOMONYM, IDENTITIES, PAIRS
from worker.registre.electeur_sql import IDENTITE, adresse, details, identite_columns
from worker.registre.models import Electeur
from worker.registre.versions import Liste


def find_differences(connection: Connection, liste: Liste, before: int, after: int) -> None:
    """Put into IDENTITIES what differs between two versions of a list."""
    lines = _lines(liste, before, after).subquery()
    count, n_after = func.count(), func.sum(lines.c.is_after)
    is_unchanged = and_(count == 2, n_after == 1, func.min(lines.c.details) == func.max(lines.c.details))  # noqa: PLR2004
    keys = [lines.c[name] for name in IDENTITE]
    groups = (
        select(
            literal(liste.code_commune),
            literal(liste.liste),
            *keys,
            count - n_after,
            n_after,
            func.min(case((lines.c.is_after == 0, lines.c.id))),
            func.max(case((lines.c.is_after == 1, lines.c.id))),
        )
        .group_by(*keys)
        .having(not_(is_unchanged))
    )
    names = ["code_commune", "liste", *IDENTITE, "n_before", "n_after", "before", "after"]
    connection.execute(insert(IDENTITIES).from_select(names, groups))


def pair_singles(connection: Connection) -> None:
    """Whoever has no homonym is one person, before and after."""
    singles = select(IDENTITIES.c.before, IDENTITIES.c.after).where(not_(HAS_HOMONYM))
    connection.execute(insert(PAIRS).from_select(["before", "after"], singles))


def lists_with_homonyms(connection: Connection) -> Sequence[Liste]:
    """The lists where one identity is several electors."""
    query = select(IDENTITIES.c.code_commune, IDENTITIES.c.liste).where(HAS_HOMONYM).distinct()
    return [Liste(commune, liste) for commune, liste in connection.execute(query)]


def find_homonyms(connection: Connection, liste: Liste, before: int, after: int) -> None:
    """Put the homonyms of a list into CANDIDATES."""
    lines = _lines(liste, before, after).add_columns(*place_columns()).subquery()
    is_theirs = and_(
        IDENTITIES.c.code_commune == liste.code_commune,
        IDENTITIES.c.liste == liste.liste,
        *(IDENTITIES.c[name] == lines.c[name] for name in IDENTITE),
    )
    places = [lines.c[name] for name in ("adresse", "code_bureau", "numero_ordre")]
    who: ColumnElement[str] = literal(JOINT.join(liste), Text)
    group_key = reduce(lambda joined, name: joined + literal(JOINT, Text) + lines.c[name], IDENTITE, who)
    members = (
        select(lines.c.id, lines.c.is_after, group_key, literal(""), *places)
        .join(IDENTITIES, is_theirs)
        .where(HAS_HOMONYM)
    )
    names = ["id", "is_after", "group_key", "family", "adresse", "code_bureau", "numero_ordre"]
    connection.execute(insert(CANDIDATES).from_select(names, members))


def pair_rest(connection: Connection) -> None:
    """Candidates that nobody matches came, or left."""
    columns = CANDIDATES.c
    for is_after, pair in ((0, (columns.id, null())), (1, (null(), columns.id))):
        rest = select(*pair, columns.group_key).where(columns.is_after == is_after)
        connection.execute(insert(PAIRS).from_select(["before", "after", "group_key"], rest))


def place_columns() -> list[ColumnElement[Any]]:
    """What homonyms are told apart by."""
    numero = func.coalesce(Electeur.numero_ordre, -1)
    return [adresse().label("adresse"), Electeur.code_bureau.label("code_bureau"), numero.label("numero_ordre")]


def _lines(liste: Liste, before: int, after: int) -> Select[Any]:
    is_after = case((Electeur.version == after, 1), else_=0)
    return select(Electeur.id, is_after.label("is_after"), *identite_columns(), details().label("details")).where(
        Electeur.code_commune == liste.code_commune,
        Electeur.liste == liste.liste,
        Electeur.version.in_((before, after)),
    )
