"""Finds the differences between two versions of a list; other electors never leave the table of electors."""

from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import (
    Case,
    Column,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    Text,
    and_,
    case,
    func,
    insert,
    literal,
    not_,
    null,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.orm.util import AliasedClass

from common.texte import JOINT
from worker.db.types import Id, Texte
from worker.registre.models import Electeur
from worker.registre.versions import TEMPORARY, ListeKey

IDENTITE = ("nom_naissance", "prenoms", "date_naissance", "lieu_naissance")
"""The identity key within a list: homonyms share it. The function `lieu_naissance` below gives the last column."""

_DETAILS = (
    *(
        "code_bureau",
        "sexe",
        "nom_usage",
        "code_commune_naissance",
        "departement_naissance",
        "pays_naissance",
    ),
    *(
        "nationalite",
        "complement1",
        "complement2",
        "numero_voie",
        "type_voie",
        "libelle_voie",
        "lieu_dit",
    ),
    *("code_postal", "ville", "pays"),
)


IDENTITIES = Table(
    "compare_identity",
    TEMPORARY,
    *(Column(name, Texte, nullable=False) for name in ("code_commune", "liste", *IDENTITE)),
    *(Column(name, Integer, nullable=False) for name in ("n_before", "n_after")),
    *(Column(name, Id) for name in ("before", "after")),
    prefixes=["TEMPORARY"],
)
"""Identities whose rows differ between the two versions, or that several electors share (homonyms)."""

CANDIDATES = Table(
    "compare_candidate",
    TEMPORARY,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("is_after", Integer, nullable=False),
    *(Column(name, Texte, nullable=False) for name in ("group_key", "adresse", "code_bureau")),
    Column("numero_ordre", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Rows to pair within their `group_key`."""

PAIRS = Table(
    "compare_pair",
    TEMPORARY,
    *(Column(name, Id, index=False) for name in ("before", "after")),
    Column("look", Integer),
    Column("group_key", Texte),
    prefixes=["TEMPORARY"],
)
"""Matched electors: ids before and after. No id before means an inscription, no id after a radiation.

`look`: the rule that matched homonyms, or BY_INE; `group_key`: the group of homonyms, NULL for an elector without
homonym.
"""

BY_INE = -1
"""The `look` of electors who were told apart by their national number: no rule and no doubt concerns them."""

HAS_HOMONYM = or_(IDENTITIES.c.n_before > 1, IDENTITIES.c.n_after > 1)

ElecteurTable = type[Electeur] | AliasedClass[Electeur]

BEFORE, SHOWN = aliased(Electeur, name="before"), aliased(Electeur, name="shown")
"""The elector of a pair before (none for an inscription), and as a tableau shows them: after, else before."""


def paired(*columns: Any) -> Select[Any]:  # noqa: ANN401 — expressions
    """Select these expressions of BEFORE and SHOWN, a row for each pair."""
    return (
        select(*columns)
        .join_from(PAIRS, SHOWN, SHOWN.id == func.coalesce(PAIRS.c.after, PAIRS.c.before))
        .join(BEFORE, BEFORE.id == PAIRS.c.before, isouter=True)
    )


def lieu_naissance(electeur: ElecteurTable = Electeur) -> ColumnElement[str]:
    """Return the commune of birth, or the country if the commune is unknown."""
    return func.coalesce(func.nullif(electeur.commune_naissance, ""), electeur.pays_naissance)


def identite_columns(electeur: ElecteurTable = Electeur) -> list[ColumnElement[Any]]:
    """Return the columns of the identity key, under their names."""
    named: list[ColumnElement[Any]] = [
        getattr(electeur, name).label(name) for name in IDENTITE[:-1]
    ]
    return [*named, lieu_naissance(electeur).label(IDENTITE[-1])]


def details(electeur: ElecteurTable = Electeur) -> ColumnElement[str]:
    """Join the values that may change in one elector; not the order numbers, which the REU reassigns at times."""
    values = [getattr(electeur, name) for name in _DETAILS]
    return reduce(lambda joined, value: joined + literal(JOINT, Text) + value, values)


def adresse(electeur: ElecteurTable = Electeur) -> ColumnElement[str]:
    """Build the address on one line: `Bât A, 12 BIS Rue de la Sauge, 13900 LIBREVILLE, BELGIQUE`, without FRANCE."""
    has_number = func.lower(electeur.numero_voie).not_in(("0", "sans"))
    numero = case((has_number, electeur.numero_voie), else_="")
    pays = case((func.upper(electeur.pays) == "FRANCE", ""), else_=electeur.pays)
    lines = (
        electeur.complement1,
        electeur.complement2,
        _join(" ", numero, electeur.type_voie, electeur.libelle_voie),
        electeur.lieu_dit,
        _join(" ", electeur.code_postal, electeur.ville),
        pays,
    )
    return _join(", ", *lines)


def _join(
    separator: str, *parts: ColumnElement[str] | InstrumentedAttribute[str] | Case[str]
) -> ColumnElement[str]:
    led = [
        case((part == "", literal("", Text)), else_=literal(separator, Text) + part)
        for part in parts
    ]
    return func.substr(reduce(add, led), len(separator) + 1)


def find_differences(connection: Connection, liste: ListeKey, before: int, after: int) -> None:
    """Insert into IDENTITIES the differences between two versions of a list, and into CANDIDATES its homonyms."""
    lines = _lines(liste, before, after).add_columns(*place_columns()).subquery()
    count, n_after = func.count(), func.sum(lines.c.is_after)
    is_unchanged = and_(
        count == 2,  # noqa: PLR2004
        n_after == 1,
        func.min(lines.c.details) == func.max(lines.c.details),
    )
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
    is_theirs = and_(
        IDENTITIES.c.code_commune == liste.code_commune,
        IDENTITIES.c.liste == liste.liste,
        *(IDENTITIES.c[name] == key for name, key in zip(IDENTITE, keys, strict=True)),
    )
    places = [lines.c[name] for name in ("adresse", "code_bureau", "numero_ordre")]
    who: ColumnElement[str] = literal(JOINT.join(liste), Text)
    group_key = reduce(lambda joined, key: joined + literal(JOINT, Text) + key, keys, who)
    members = (
        select(lines.c.id, lines.c.is_after, group_key, *places)
        .join(IDENTITIES, is_theirs)
        .where(HAS_HOMONYM)
    )
    names = ["id", "is_after", "group_key", "adresse", "code_bureau", "numero_ordre"]
    connection.execute(insert(CANDIDATES).from_select(names, members))


def pair_by_ine(connection: Connection, liste: ListeKey, before: int, after: int) -> bool:
    """Insert into PAIRS the differences of a list whose electors all have a national number (INE) in both versions.

    Return False, without a change, if one lacks it or two share it: the name and birth are the identity then.
    """
    lines = _lines(liste, before, after).add_columns(Electeur.ine).subquery()
    n_after = func.sum(lines.c.is_after)
    groups = select(lines.c.ine).group_by(lines.c.ine)
    is_unfit = or_(lines.c.ine == "", n_after > 1, func.count() - n_after > 1)
    if connection.execute(groups.having(is_unfit).limit(1)).first():
        return False
    who: ColumnElement[str] = lines.c.details
    for name in IDENTITE:
        who = who + literal(JOINT, Text) + lines.c[name]
    is_unchanged = and_(func.count() == 2, func.min(who) == func.max(who))  # noqa: PLR2004
    ids = [func.min(case((lines.c.is_after == side, lines.c.id))) for side in (0, 1)]
    pairs = select(*ids, literal(BY_INE)).group_by(lines.c.ine).having(not_(is_unchanged))
    connection.execute(insert(PAIRS).from_select(["before", "after", "look"], pairs))
    return True


def pair_singles(connection: Connection) -> None:
    """Insert into PAIRS the identities without homonyms: each is one person."""
    singles = select(IDENTITIES.c.before, IDENTITIES.c.after).where(not_(HAS_HOMONYM))
    connection.execute(insert(PAIRS).from_select(["before", "after"], singles))


def pair_rest(connection: Connection) -> None:
    """Insert the candidates without a match into PAIRS, as inscriptions or radiations."""
    columns = CANDIDATES.c
    for is_after, pair in ((0, (columns.id, null())), (1, (null(), columns.id))):
        rest = select(*pair, columns.group_key).where(columns.is_after == is_after)
        connection.execute(insert(PAIRS).from_select(["before", "after", "group_key"], rest))


IS_UNMATCHED = or_(PAIRS.c.before.is_(None), PAIRS.c.after.is_(None))


def unmatched(*same: str) -> Select[Any]:
    """Select the unmatched electors who have, on the other side of their list, another one with these equal values."""
    lines = (
        select(
            Electeur.id,
            Electeur.code_commune,
            Electeur.liste,
            *identite_columns(),
            *place_columns(),
        )
        .add_columns(case((PAIRS.c.before.is_(None), 1), else_=0).label("is_after"))
        .join_from(PAIRS, Electeur, Electeur.id == func.coalesce(PAIRS.c.before, PAIRS.c.after))
        .where(IS_UNMATCHED, PAIRS.c.look.is_(None))
        .subquery()
    )
    within = [lines.c[name] for name in ("code_commune", "liste", *same)]
    lowest, highest = (
        of(lines.c.is_after).over(partition_by=within) for of in (func.min, func.max)
    )
    both = select(lines, lowest.label("lowest"), highest.label("highest")).subquery()
    return select(both).where(both.c.lowest < both.c.highest)


def place_columns() -> list[ColumnElement[Any]]:
    """Return the columns that tell homonyms apart."""
    numero = func.coalesce(Electeur.numero_ordre, -1)
    return [
        adresse().label("adresse"),
        Electeur.code_bureau.label("code_bureau"),
        numero.label("numero_ordre"),
    ]


def _lines(liste: ListeKey, before: int, after: int) -> Select[Any]:
    is_after = case((Electeur.version == after, 1), else_=0)
    return select(
        Electeur.id, is_after.label("is_after"), *identite_columns(), details().label("details")
    ).where(
        Electeur.code_commune == liste.code_commune,
        Electeur.liste == liste.liste,
        Electeur.version.in_((before, after)),
    )
