"""Cached findings about electors: an import finds them once and stores them in `electeur.facts`.

A finding only records that a rule of `rules.py` may apply on some later day, not its result. A file checks the electors
with a finding again, and no others. An import cleans the values that it writes; a service that writes by SQL may leave
unclean values. One cheap test on each row finds them.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from functools import reduce
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    SQLColumnExpression,
    Table,
    Text,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    literal_column,
    not_,
    or_,
    select,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.visitors import replacement_traverse

from common.calendrier import YOUNGEST, last_birth
from common.texte import JOINT
from schemas.profiles.platform import COLUMN_VALUES
from schemas.vocabulary import Severity
from worker.db.engine import STREAM
from worker.db.types import Id, cleaned, is_suspect, needs_cleaning, size_of
from worker.domain.identite import FORGOTTEN, Identite, base_letters, identite
from worker.registre.checks.rules import (
    HAS_LOST_ZEROS,
    INE_TWICE,
    LONGEST,
    RUINED_TEXTS,
    RULES,
    TODAY,
    TWICE,
    YOUNGEST_BIRTH,
    is_readable,
)
from worker.registre.comparaison.differences import IDENTITE, adresse, identite_columns
from worker.registre.models import ORDRE, Electeur, ImportListe
from worker.registre.versions import (
    TEMPORARY,
    ListeKey,
    create_temporary,
    insert_all,
    is_on_liste,
    reading_transaction,
)

_NOT_TEXT = "code_commune", "code_bureau", "numero_general"
_WRITTEN = (it for it in COLUMN_VALUES if it in Electeur.__table__.columns and it not in _NOT_TEXT)
TEXTS: tuple[InstrumentedAttribute[str], ...] = (
    Electeur.code_bureau,
    *(getattr(Electeur, it) for it in _WRITTEN),
)
"""The columns whose values a file contains."""


FACTS_VERSION = 2
"""Version of the rules. Increase it when a change may alter their results: files then check every elector of a list,
until its next import. `tests/contract/test_facts.py` enforces it."""


UNCHECKED = 1
"""`facts` of an elector who is not checked: a service wrote the row, or changed a value after the import."""
COMPLETED = 4
"""`facts` of an elector who is not checked either: a service added a value that no export of the REU has."""
FOUND = 2
"""`facts` of an elector to check: a rule applies, now or on a later day, a value cannot be written unchanged, or
another elector has the same identity or order number. Without a finding `facts` is 0."""


def is_flagged() -> ColumnElement[bool]:
    """Select the electors with a finding, with the condition of the partial index."""
    return Electeur.facts > literal_column("0")


def has_facts(
    connection: Connection, code_commune: str, liste: str, version: int, jour: date
) -> bool:
    """Return whether the findings of a version of a list are complete for a file of that day.

    They are not if another version of the rules found them, or if a service has written an elector since.
    """
    checked = and_(is_on_liste(code_commune, liste, version), is_flagged())
    unchecked = exists().where(checked, Electeur.facts.bitwise_and(UNCHECKED | COMPLETED) > 0)
    query = select(ImportListe.import_id).where(
        ImportListe.import_id == version,
        ImportListe.code_commune == code_commune,
        ImportListe.liste == liste,
        ImportListe.facts_version == FACTS_VERSION,
        ImportListe.facts_since <= jour,
        ~unchecked,
    )
    return connection.scalar(query) is not None


_TOLD_APART = 2
"""The rules from which on a trigger tells an elector who was changed from one who was completed."""


def count_changed(connection: Connection, code_commune: str, liste: str) -> Counter[int]:
    """Count, by version of a list, the electors whom another service has written since the import of the version.

    Electors whom the product has masked do not count, nor those to whom a service only added what no export has. In
    versions of before, nothing tells the two apart.
    """
    is_checked = exists().where(
        ImportListe.import_id == Electeur.version,
        ImportListe.code_commune == code_commune,
        ImportListe.liste == liste,
        ImportListe.facts_version >= _TOLD_APART,
    )
    query = select(Electeur.version, func.count().label("number")).where(
        Electeur.code_commune == code_commune,
        Electeur.liste == liste,
        is_flagged(),
        Electeur.facts.bitwise_and(UNCHECKED) > 0,
        Electeur.nom_naissance != FORGOTTEN,
        is_checked,
    )
    rows = connection.execute(query.group_by(Electeur.version))
    return Counter({row.version: row.number for row in rows})


def deserves_look(*, separators: bool) -> ColumnElement[bool]:
    """Select the electors with an anomaly; `separators` includes values that the CSV has no escape for."""
    text = joined_texts()
    total_size = sum(
        (size_of(column) for column in TEXTS), start=literal(0)
    )  # excludes most rows first
    ruined = [is_it(text) for _, is_it in RUINED_TEXTS]
    closer = [needs_cleaning(text), *ruined, *([has_separator(text)] if separators else [])]
    return or_(
        *(rule.condition for rule in RULES),
        and_(is_suspect(text), or_(*closer)),
        Electeur.nettoyages > 0,
        and_(total_size > LONGEST, or_(*(func.length(column) > LONGEST for column in TEXTS))),
    )


def is_unclean() -> ColumnElement[bool]:
    """Test for a value with a control character, odd white space or a form other than NFC."""
    text = joined_texts()
    return and_(is_suspect(text), needs_cleaning(text))


def joined_texts() -> ColumnElement[str]:
    """Join all values of a row into one text."""
    first: ColumnElement[str] = type_coerce(TEXTS[0], Text)
    return reduce(lambda text, column: text + JOINT + column, TEXTS[1:], first)


def has_separator(text: ColumnElement[str]) -> ColumnElement[bool]:
    """Test for a character that the CSV has no escape for."""
    return text.contains(";") | text.contains('"')


_LISTE = (Electeur.code_commune, Electeur.liste)
_PLACE = (Electeur.code_bureau, Electeur.numero_ordre)
_HAS_PLACE = and_(Electeur.code_bureau != "", Electeur.numero_ordre.is_not(None))


def may_be_double(among: ColumnElement[bool]) -> ColumnElement[bool]:
    """Select possible doubles: electors with the date of birth and the length of names of another elector of the list.

    The day and the month of birth may be swapped. Two spellings of one identity match. Electors without a name, first
    names or a date of birth are not doubles.
    """
    known = and_(
        *(
            column != ""
            for column in (Electeur.nom_naissance, Electeur.prenoms, Electeur.date_naissance)
        )
    )
    return _is_shared((*_LISTE, *_spelling_keys()), and_(among, known))


def select_possible_doubles(
    among: ColumnElement[bool], *columns: SQLColumnExpression[Any]
) -> Select[Any]:
    """Select the rows that `group_doubles` reads; `columns` are added to each."""
    keys: list[SQLColumnExpression[Any]] = [*_LISTE, *_spelling_keys()]
    same: list[Any] = [
        column.label(f"same_{place}") for place, column in enumerate((*keys, *identite_columns()))
    ]
    return select(*same, *columns).where(may_be_double(among)).order_by(*keys, *ORDRE)


def group_doubles(rows: Iterable[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """Group the electors of one list who have one `identite`, which ignores accents, case and hyphens.

    The order of the day and the month of birth is ignored too.
    """
    size = len(_LISTE) + len(IDENTITE)
    for _, near in groupby(rows, key=lambda row: row[:size]):
        same: dict[Identite, list[Row[Any]]] = defaultdict(list)
        for row in near:
            nom, prenoms, born, lieu = row[size : size + len(IDENTITE)]
            year, *day = born[:4], born[5:7], born[8:]
            same[identite(nom, prenoms, f"{year}{sorted(day)}", lieu, "")].append(row)
        yield from (members for members in same.values() if len(members) > 1)


def find_twice(members: Sequence[Row[Any]]) -> Iterator[bool]:
    """Yield for each member of a group of `group_doubles` if another one has the same address and date of birth.

    The rows have `adresse` and `date_naissance`. Without such another, they are homonyms.
    """
    homes = [(row.date_naissance, base_letters(row.adresse)) for row in members]
    number = Counter(homes)
    yield from (number[home] > 1 for home in homes)


def _spelling_keys() -> list[SQLColumnExpression[Any]]:
    """Build cheap keys that all spellings of one identity share: the date of birth, and lengths.

    Of the date of birth, the day and the month have one order.
    """
    nom, prenoms, born, lieu = identite_columns()
    month, day = func.substr(born, 6, 2), func.substr(born, 9)
    for letter, letters in (("Œ", "OE"), ("œ", "oe"), ("ß", "ss")):
        nom = func.replace(nom, letter, letters)
    return [
        func.substr(born, 1, 4).concat(
            case((month < day, month.concat(day)), else_=day.concat(month))
        ),
        func.length(nom),
        func.length(prenoms),
        func.length(func.replace(lieu, "Œ", "OE")),
    ]


def has_double_ine(among: ColumnElement[bool]) -> ColumnElement[bool]:
    """Select electors among these who share their national number with another elector of the list."""
    return _is_shared((*_LISTE, Electeur.ine), and_(among, Electeur.ine != ""))


def has_swapped_names(among: ColumnElement[bool]) -> ColumnElement[bool]:
    """Select electors whose birth name is the usage name of another elector of the list, and the reverse.

    First names and birth are equal. Names are compared as they are written: both lines come from one export.
    """
    nom, usage = Electeur.nom_naissance, Electeur.nom_usage
    both = case((nom < usage, nom + JOINT + usage), else_=usage + JOINT + nom)
    keys = (*_LISTE, Electeur.prenoms, Electeur.date_naissance, both)
    names = [it(nom).over(partition_by=keys) for it in (func.min, func.max)]
    has_both = and_(among, usage != "", usage != nom)
    first, last = (it.label(name) for it, name in zip(names, ("first", "last"), strict=True))
    read = select(Electeur.id, first, last).where(has_both).correlate(None).subquery()
    return Electeur.id.in_(select(read.c.id).where(read.c.first < read.c.last))


def has_double_numero(among: ColumnElement[bool]) -> ColumnElement[bool]:
    """Select electors among these who share their order number with another elector of the bureau."""
    return _is_shared((*_LISTE, *_PLACE), and_(among, _HAS_PLACE))


def select_double_numeros(among: ColumnElement[bool]) -> Select[str, int | None]:
    """Select the order numbers that several of these electors have, by bureau."""
    return (
        select(*_PLACE)
        .where(among, _HAS_PLACE)
        .group_by(*_PLACE)
        .having(func.count() > 1)
        .order_by(*_PLACE)
    )


def _is_shared(
    keys: Sequence[SQLColumnExpression[Any]], among: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Sort and count in one pass, then select the electors by id.

    The query compares no pairs. Without statistics, as after an import, PostgreSQL expects one counted elector, and
    would scan all counted electors for each elector.
    """
    same = func.count().over(partition_by=keys).label("same")
    counted = select(Electeur.id, same).where(among).correlate(None).subquery()
    return Electeur.id.in_(select(counted.c.id).where(counted.c.same > 1))


_FOUND = Table("found_fact", TEMPORARY, Column("id", Id, index=True), prefixes=["TEMPORARY"])
"""Electors with a finding that is not yet in their rows; an elector may come twice."""


def find_facts(
    connection: Connection, version: int, listes: Iterable[ListeKey], jour: date
) -> None:
    """Check every elector of these lists in this version, and write the findings of that day to their rows.

    The rows must have no finding yet. The caller then records `FACTS_VERSION` and the day, from which on the findings
    are valid; until then no query uses them.
    """
    create_temporary(connection, _FOUND)
    among = _among(version, listes)
    suspects = select(Electeur.id).where(among, _may_deserve_look())
    sharing = [
        select(Electeur.id).where(shares(among))
        for shares in (has_double_numero, has_double_ine, has_swapped_names)
    ]
    with reading_transaction(connection):
        # A minor on that day is born after `today`, so that a minor gets a finding too.
        day = dict.fromkeys(("today", "youngest"), last_birth(jour))
        connection.execute(insert(_FOUND).from_select(["id"], union_all(suspects, *sharing)), day)
        with connection.execute(
            select_possible_doubles(among, Electeur.id), execution_options=STREAM
        ) as rows:
            insert_all(
                connection, _FOUND, ({"id": row.id} for same in group_doubles(rows) for row in same)
            )
    with connection.begin():
        connection.execute(
            update(Electeur).where(Electeur.id.in_(select(_FOUND.c.id))).values(facts=FOUND)
        )


def count_without_zeros(connection: Connection, version: int) -> int:
    """Count the electors of an import with a code that lost its zero. Call `find_facts` first."""
    query = select(func.count()).where(Electeur.version == version, is_flagged(), HAS_LOST_ZEROS)
    return connection.execute(query).scalar_one()


def count_mineurs(connection: Connection, version: int, jour: date) -> dict[ListeKey, int]:
    """Count by list the electors of an import who are minors on that day. Call `find_facts` first: it flags them."""
    is_mineur = not_(is_of_age(last_birth(jour), last_birth(jour, YOUNGEST)))
    query = (
        select(*_LISTE, func.count())
        .where(Electeur.version == version, is_flagged(), is_mineur)
        .group_by(*_LISTE)
    )
    return {ListeKey(commune, liste): count for commune, liste, count in connection.execute(query)}


def _among(version: int, listes: Iterable[ListeKey]) -> ColumnElement[bool]:
    """Select the electors of a version; its lists let PostgreSQL find them by an index."""
    communes, codes = map(set, zip(*listes, strict=True))
    return and_(
        Electeur.code_commune.in_(communes), Electeur.liste.in_(codes), Electeur.version == version
    )


def _may_deserve_look() -> ColumnElement[bool]:
    """Select electors who may have an anomaly in a file of the day of the parameter, or of a later day.

    A rule that depends on the day applies until a day, from a day on, or both: it applies on the first or the last day.
    """

    def on_last_day(element: Any, **_options: Any) -> ColumnElement[str] | None:  # noqa: ANN401 — as over_clean_values
        return (
            literal("9999-12-31", Text) if element is TODAY or element is YOUNGEST_BIRTH else None
        )

    late = [replacement_traverse(rule.condition, {}, on_last_day) for rule in RULES]
    moving = [it for it, rule in zip(late, RULES, strict=True) if not it.compare(rule.condition)]
    return or_(deserves_look(separators=True), *moving, Electeur.numero_general.is_not(None))


def count_blocking(
    connection: Connection, version: int, listes: Iterable[ListeKey], jour: date
) -> dict[str, int]:
    """Count the electors of a version who block the file of a list, by the message for the agent.

    It only checks electors with a finding of `find_facts`. An elector who is twice on the list counts twice.
    """
    kinds = [(rule, rule.condition) for rule in RULES if rule.severity is Severity.BLOCKING]
    kinds += [(it, test(joined_texts())) for it, test in RUINED_TEXTS]
    among = and_(_among(version, listes), is_flagged())
    kinds.append((INE_TWICE, has_double_ine(among)))
    query = select(*(func.count().filter(condition) for _, condition in kinds)).where(among)
    day = {"today": jour.isoformat(), "youngest": last_birth(jour, YOUNGEST)}
    same = select_possible_doubles(among, Electeur.date_naissance, adresse().label("adresse"))
    with connection.begin():
        row = connection.execute(query, day).one()
        doubles = group_doubles(connection.execute(same, execution_options=STREAM))
        twice = sum(is_twice for members in doubles for is_twice in find_twice(members))
    counts = [*zip((kind for kind, _ in kinds), row, strict=True), (TWICE, twice)]
    return {kind.message: count for kind, count in counts if count}


def is_of_age(
    last_birth: str | ColumnElement[str], youngest: str | ColumnElement[str]
) -> ColumnElement[bool]:
    """Test that the elector is no minor; a date that is unreadable or after `youngest` is an anomaly, not a minor.

    `last_birth`: the latest date of birth of a person who is of age on the day that counts; `youngest`: the latest date
    of birth of a person who may be on a list.
    """
    born = Electeur.date_naissance
    as_written = _as_written()
    is_mineur = and_(is_readable(as_written), as_written > last_birth, as_written <= youngest)
    return or_(and_(born <= last_birth, born >= "0"), not_(is_mineur))


def is_born_between(after: str, until: str) -> ColumnElement[bool]:
    """Test for a date of birth after `after` and no later than `until`; the cheap test excludes most electors first."""
    born = Electeur.date_naissance
    as_written = _as_written()
    return and_(
        or_(born > after, born < "0"),
        is_readable(as_written),
        as_written > after,
        as_written <= until,
    )


def is_born_on(days: Collection[str]) -> ColumnElement[bool]:
    """Test for one of these dates of birth, as `is_born_between` does."""
    born = Electeur.date_naissance
    return and_(or_(born >= min(days, default=""), born < "0"), _as_written().in_(days))


def _as_written() -> ColumnElement[str]:
    return cleaned(type_coerce(Electeur.date_naissance, Text))
