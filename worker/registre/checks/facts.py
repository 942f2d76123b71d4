"""What is wrong with electors is found once, when they are imported, and stands in their row: `electeur.facts`.

The rules are those of `rules.py`. Only whom they may speak of on any coming day is noted, never what they say: a file
looks at those electors again, and at no others. Values are cleaned when they enter the register by an import; a service
that writes by SQL may leave others. One cheap look at each row finds them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from enum import Enum, IntFlag, auto
from functools import cache, reduce
from itertools import groupby, islice
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Integer,
    Row,
    Select,
    SQLColumnExpression,
    Table,
    Text,
    and_,
    bindparam,
    func,
    insert,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute

from common.calendrier import YOUNGEST, jour_a_paris, last_birth, now
from common.texte import JOINT
from schemas.vocabulary import Liste, Severity
from worker.db.engine import STREAM
from worker.db.types import cleaned, is_suspect, needs_cleaning, size_of
from worker.domain.identite import fold_identite
from worker.registre.checks.rules import HAS_LOST_ZEROS, LONGEST, RUINED_TEXTS, RULES, Day, Kind, OnListe, is_readable
from worker.registre.communes import COMMUNES_AT_ONCE
from worker.registre.comparaison.differences import IDENTITE, identite_columns
from worker.registre.models import ORDRE, Electeur, ImportListe, ListeCommunale
from worker.registre.versions import BATCH, TEMPORARY, ListeKey, reading_transaction, temporary_tables

TEXTS = (
    Electeur.code_bureau,
    Electeur.sexe,
    Electeur.nom_naissance,
    Electeur.nom_usage,
    Electeur.prenoms,
    Electeur.date_naissance,
    Electeur.commune_naissance,
    Electeur.departement_naissance,
    Electeur.pays_naissance,
    Electeur.nationalite,
    Electeur.complement1,
    Electeur.complement2,
    Electeur.numero_voie,
    Electeur.type_voie,
    Electeur.libelle_voie,
    Electeur.lieu_dit,
    Electeur.code_postal,
    Electeur.ville,
    Electeur.pays,
)
"""The values that a file carries."""


FACTS_VERSION = 2
"""Of the rules: another one when what they say of an elector may change, so that registers are looked at once more.

`tests/contract/test_facts.py` holds them to it.
"""


class Fact(IntFlag):
    """What is known of an elector before any file is made. An import finds it, once; 0 is nothing to say."""

    UNCHECKED = auto()
    """Nobody has looked: a service wrote her, or changed a value since the import."""
    SUSPECT = auto()
    """A rule speaks of her, or may on a coming day; or a value cannot be carried as it is."""
    DOUBLE = auto()
    """Another elector of the list has her identity."""
    NUMERO = auto()
    """Another elector of the bureau has her order number."""


EVERY_FACT = Fact(sum(Fact))


class Scope(Enum):
    """Where one must look to tell all that is wrong with a list."""

    WHOLE = auto()
    """At every elector: nobody has looked, or by other rules."""
    CHANGED = auto()
    """At those with a fact; for doubles at all, since somebody changed one after the import."""
    FACTS = auto()
    """At those with a fact."""

    def of(self, fact: Fact) -> ColumnElement[bool]:
        """Who may have the fact."""
        if self is Scope.WHOLE or (self is Scope.CHANGED and fact is not Fact.SUSPECT):
            return true()
        has_it = Electeur.facts.bitwise_and(int(fact | Fact.UNCHECKED)) > 0
        return and_(is_flagged(), has_it)


def is_flagged() -> ColumnElement[bool]:
    """An elector with a fact, as the partial index has them."""
    return Electeur.facts > literal_column("0")


class Look(NamedTuple):
    """Where to look, and for what: facts that nobody on the list has need no look at all."""

    scope: Scope = Scope.WHOLE
    facts: Fact = EVERY_FACT


AT_ALL = Look()


def read_look(connection: Connection, code_commune: str, liste: str, version: int, jour: date) -> Look:
    """How to look at a version of a list, for a file of that day."""
    which = {"of_commune": code_commune, "of_liste": liste, "of_version": version, "on_day": jour}
    stamp = connection.execute(_select_stamp(), which).one_or_none()
    if stamp is None:
        return AT_ALL
    facts = Fact(sum(stamp))
    return Look(Scope.CHANGED) if Fact.UNCHECKED in facts else Look(Scope.FACTS, facts)


@cache
def _select_stamp() -> Select[Any]:
    """Whether each fact is on the list; no row where the import has not looked, or by other rules."""
    commune: BindParameter[str] = bindparam("of_commune")
    liste: BindParameter[str] = bindparam("of_liste")
    version: BindParameter[int] = bindparam("of_version")
    of_version = Electeur.code_commune == commune, Electeur.liste == liste, Electeur.version == version
    has_each = [func.coalesce(func.max(Electeur.facts.bitwise_and(int(fact))), 0) for fact in Fact]
    has = select(*(it.label(f"fact_{fact.value}") for fact, it in zip(Fact, has_each, strict=True)))
    found = has.where(*of_version, is_flagged()).subquery()
    return (
        select(found)
        .join_from(ImportListe, found, true())
        .where(
            ImportListe.import_id == version,
            ImportListe.code_commune == commune,
            ImportListe.liste == liste,
            ImportListe.facts_version == FACTS_VERSION,
            ImportListe.facts_since <= bindparam("on_day"),
        )
    )


def deserves_look(liste: OnListe, *, separators: bool) -> ColumnElement[bool]:
    """Something is to be said of the elector; `separators`: also that a value holds what the CSV has no escape for."""
    text = joined_texts()
    ruined = [is_it(text) for _, is_it in RUINED_TEXTS]
    closer = [needs_cleaning(text), *ruined, *([has_separator(text)] if separators else [])]
    return or_(
        *(rule.condition(liste) for rule in RULES),
        and_(is_suspect(text), or_(*closer)),
        Electeur.nettoyages > 0,
        _is_too_long(),
    )


def is_unclean() -> ColumnElement[bool]:
    """A value holds a control character, odd white space, or has a form other than NFC."""
    text = joined_texts()
    return and_(is_suspect(text), needs_cleaning(text))


def joined_texts() -> ColumnElement[str]:
    """All the values of a row in one text."""
    return _joined(TEXTS)


def _joined(columns: Sequence[InstrumentedAttribute[str]]) -> ColumnElement[str]:
    first: ColumnElement[str] = type_coerce(columns[0], Text)
    return reduce(lambda text, column: text + JOINT + column, columns[1:], first)


def has_separator(text: ColumnElement[str]) -> ColumnElement[bool]:
    """A character that the CSV has no escape for."""
    return text.contains(";") | text.contains('"')


def _is_too_long() -> ColumnElement[bool]:
    """One of the values is over the limit; the sum of their sizes denies it for most rows."""
    total = sum((size_of(column) for column in TEXTS), start=literal(0))
    return and_(total > LONGEST, or_(*(func.length(column) > LONGEST for column in TEXTS)))


_LISTE = (Electeur.code_commune, Electeur.liste)
_PLACE = (Electeur.code_bureau, Electeur.numero_ordre)
_HAS_PLACE = and_(Electeur.code_bureau != "", Electeur.numero_ordre.is_not(None))


def may_be_double(among: ColumnElement[bool]) -> ColumnElement[bool]:
    """Electors among these who were born on the date of another one of their list, and whose names are as long.

    Two spellings of one identity are. Electors without a name, first names or a date of birth are no doubles.
    """
    known = and_(*(column != "" for column in (Electeur.nom_naissance, Electeur.prenoms, Electeur.date_naissance)))
    return _is_shared((*_LISTE, *_spelling_keys()), and_(among, known))


def select_possible_doubles(among: ColumnElement[bool], *columns: SQLColumnExpression[Any]) -> Select[Any]:
    """The rows that `group_doubles` reads; `columns` are added to each."""
    keys: list[SQLColumnExpression[Any]] = [*_LISTE, *_spelling_keys()]
    same: list[Any] = [column.label(f"same_{place}") for place, column in enumerate((*keys, *identite_columns()))]
    return select(*same, *columns).where(may_be_double(among)).order_by(*keys, *ORDRE)


def group_doubles(rows: Iterable[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """The electors of one list who are the same by `fold_identite`: accents, case and hyphens do not count."""
    size = len(_LISTE) + len(IDENTITE)
    for _, near in groupby(rows, key=lambda row: row[:size]):
        same: dict[tuple[str, ...], list[Row[Any]]] = defaultdict(list)
        for row in near:
            nom, prenoms, born, lieu = row[size : size + len(IDENTITE)]
            same[fold_identite(nom, prenoms, born, lieu, "")].append(row)
        yield from (members for members in same.values() if len(members) > 1)


def _spelling_keys() -> list[SQLColumnExpression[Any]]:
    """What two spellings of one identity have in common, cheap to compare: the date of birth, and lengths."""
    nom, prenoms, born, lieu = identite_columns()
    for letter, letters in (("Œ", "OE"), ("œ", "oe"), ("ß", "ss")):
        nom = func.replace(nom, letter, letters)
    return [born, func.length(nom), func.length(prenoms), func.length(func.replace(lieu, "Œ", "OE"))]


def has_double_numero(among: ColumnElement[bool]) -> ColumnElement[bool]:
    """An elector among these whose order number another one of her bureau has."""
    return _is_shared((*_LISTE, *_PLACE), and_(among, _HAS_PLACE))


def select_double_numeros(among: ColumnElement[bool]) -> Select[str, int | None]:
    """The order numbers that several of these electors of one list have, by bureau."""
    return select(*_PLACE).where(among, _HAS_PLACE).group_by(*_PLACE).having(func.count() > 1).order_by(*_PLACE)


def _is_shared(keys: Sequence[SQLColumnExpression[Any]], among: ColumnElement[bool]) -> ColumnElement[bool]:
    """One pass that sorts and counts; those found are then taken by their ids.

    Nothing is compared two by two, even before PostgreSQL knows how many there are: without statistics, as after an
    import, it believes that one elector is counted, and would look through all that were found for each elector.
    """
    same = func.count().over(partition_by=keys).label("same")
    counted = select(Electeur.id, same).where(among).correlate(None).subquery()
    return Electeur.id.in_(select(counted.c.id).where(counted.c.same > 1))


DAYS_BEFORE = 366
"""A file may bear an earlier day than the import, when its request waited: facts hold for a year before it."""

_LAST_DAY = "9999-12-31"

_FOUND = Table(
    "found_fact",
    TEMPORARY,
    Column("fact", Integer, primary_key=True, autoincrement=False),
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    prefixes=["TEMPORARY"],
)
"""Electors with a fact that is not in their row yet."""


def facts_since(jour: date) -> date:
    """The first day of a file that the facts found on a day hold for."""
    return jour - timedelta(days=DAYS_BEFORE)


def find_facts(connection: Connection, version: int, listes: Iterable[ListeKey], jour: date) -> None:
    """Look at every elector of these lists in that version, whose facts are 0, and write what was found on that day.

    Whoever lets the version be known as looked at (`FACTS_VERSION`, `facts_since`) does so afterwards: until then facts
    count for nothing.
    """
    with temporary_tables(connection, _FOUND):
        with reading_transaction(connection):
            for liste, of_liste in groupby(sorted(listes, key=lambda it: it.liste), key=lambda it: it.liste):
                rest = (it.code_commune for it in of_liste)
                while communes := list(islice(rest, COMMUNES_AT_ONCE)):
                    _find(connection, version, communes, Liste(liste), facts_since(jour))
        for fact in (Fact.SUSPECT, Fact.DOUBLE, Fact.NUMERO):
            _write(connection, fact)


def count_without_zeros(connection: Connection, version: int) -> int:
    """Electors of an import with a code that lost its zero, once what is wrong with them was found."""
    query = select(func.count()).where(Electeur.version == version, is_flagged(), HAS_LOST_ZEROS)
    return connection.execute(query).scalar_one()


def count_mineurs(connection: Connection, version: int, jour: date) -> dict[ListeKey, int]:
    """By list, who of an import was entered in advance and is no elector on that day: each has a fact by then."""
    key = Electeur.code_commune, Electeur.liste
    is_mineur = not_(is_of_age(last_birth(jour), last_birth(jour, YOUNGEST)))
    query = select(*key, func.count()).where(Electeur.version == version, is_flagged(), is_mineur).group_by(*key)
    return {ListeKey(commune, liste): count for commune, liste, count in connection.execute(query)}


def _find(connection: Connection, version: int, communes: list[str], liste: Liste, since: date) -> None:
    among = {"communes": communes, "version": version}
    for statement in _find_statements(liste):
        connection.execute(statement, among | {"last_birth": last_birth(since)})
    with connection.execute(_doubles_query(liste), among, execution_options=STREAM) as rows:
        doubles = [row.id for same in group_doubles(rows) for row in same]
    for batch in range(0, len(doubles), BATCH):
        found = [{"fact": int(Fact.DOUBLE), "id": id_} for id_ in doubles[batch : batch + BATCH]]
        connection.execute(insert(_FOUND), found)


@cache
def _find_statements(liste: Liste) -> Sequence[Insert]:
    """What finds each fact but doubles; made once, since that takes longer than to look at a village."""
    among = _among(liste)
    since: BindParameter[str] = bindparam("last_birth", type_=Text)
    return [
        insert(_FOUND).from_select(["fact", "id"], select(literal(int(fact)), Electeur.id).where(has_it))
        for fact, has_it in (
            (Fact.SUSPECT, and_(among, _may_deserve_look(liste, since))),
            (Fact.NUMERO, has_double_numero(among)),
        )
    ]


@cache
def _doubles_query(liste: Liste) -> Select[Any]:
    return select_possible_doubles(_among(liste), Electeur.id)


def _among(liste: Liste) -> ColumnElement[bool]:
    communes: BindParameter[list[str]] = bindparam("communes", expanding=True)
    version: BindParameter[int] = bindparam("version", type_=BigInteger)
    return and_(Electeur.code_commune.in_(communes), Electeur.liste == liste.value, Electeur.version == version)


def _may_deserve_look(liste: Liste, since: str | BindParameter[str]) -> ColumnElement[bool]:
    """Something may be said of her in a file of a day or later, or she is a minor in it.

    A rule that moves speaks of a value until a day, or from a day on, or both: it speaks on the first or the last day.
    For the first day `since` is taken, on which a minor of then was not yet born, so that minors have the fact too.
    """
    first, last = Day(liste, since, since), Day(liste, _LAST_DAY, _LAST_DAY)
    moving = [late for rule in RULES if not (late := rule.condition(last)).compare(rule.condition(first))]
    return or_(deserves_look(first, separators=True), *moving, Electeur.numero_general.is_not(None))


def _write(connection: Connection, fact: Fact) -> None:
    """In short transactions: SQLite has one writer at a time."""
    for first, last in _ranges(connection, fact):
        found = select(_FOUND.c.id).where(_FOUND.c.fact == int(fact), _FOUND.c.id.between(first, last))
        with connection.begin():
            connection.execute(
                update(Electeur)
                .where(Electeur.id.in_(found))
                .values(facts=Electeur.facts.bitwise_or(int(fact)))
                .execution_options(synchronize_session=False)
            )


def _ranges(connection: Connection, fact: Fact) -> Iterator[tuple[int, int]]:
    query = select(_FOUND.c.id).where(_FOUND.c.fact == int(fact)).order_by(_FOUND.c.id).limit(BATCH)
    last = -1
    while True:
        with connection.begin():
            ids = connection.scalars(query.where(_FOUND.c.id > last)).all()
        if not ids:
            return
        last = ids[-1]
        yield ids[0], last


def count_blocking(connection: Connection, version: int, listes: Iterable[ListeKey], jour: date) -> dict[str, int]:
    """Electors of that version whom a list cannot be deposited with, by what a clerk is to do about each.

    Only those are looked at in whom `find_facts` has found something.
    """
    rules = [rule for rule in RULES if rule.severity is Severity.BLOCKING]
    kinds: list[Kind] = [*rules, *(kind for kind, _ in RUINED_TEXTS)]
    found: Counter[str] = Counter()
    with connection.begin():
        for code_commune, liste in listes:
            day = Day(Liste(liste), jour.isoformat(), last_birth(jour, YOUNGEST))
            conditions = [
                *(rule.condition(day) for rule in rules),
                *(is_it(joined_texts()) for _, is_it in RUINED_TEXTS),
            ]
            counts = [func.count().filter(it) for it in conditions]
            is_it = (Electeur.code_commune == code_commune, Electeur.liste == liste, Electeur.version == version)
            row = connection.execute(select(*counts).where(*is_it, is_flagged())).one()
            found.update({kind.message: count for kind, count in zip(kinds, row, strict=True) if count})
    return dict(found)


def look_again(engine: Engine) -> int:
    """Look at the lists that imports wrote and that other rules were looked at by; returns how many.

    The day in Paris is precise enough for every commune: facts hold for a year before it. A service may write
    meanwhile: an elector whom it changes after the first step counts as not looked at, see migration 0015.
    """
    jour = jour_a_paris(now())
    with engine.connect() as connection:
        with connection.begin():
            outdated = connection.execute(_select_outdated()).all()
        for version, rows in groupby(outdated, key=lambda row: row.version):
            listes = [ListeKey(row.code_commune, row.liste) for row in rows]
            _forget(connection, version, listes)
            find_facts(connection, version, listes, jour)
            _mark(connection, version, listes, facts_version=FACTS_VERSION, facts_since=facts_since(jour))
    return len(outdated)


def _select_outdated() -> Select[int, str, str]:
    is_it = and_(
        ImportListe.import_id == ListeCommunale.version,
        ImportListe.code_commune == ListeCommunale.code_commune,
        ImportListe.liste == ListeCommunale.liste,
    )
    key = ListeCommunale.version, ListeCommunale.code_commune, ListeCommunale.liste
    return select(*key).join(ImportListe, is_it).where(ImportListe.facts_version != FACTS_VERSION).order_by(*key)


def _forget(connection: Connection, version: int, listes: Sequence[ListeKey]) -> None:
    _mark(connection, version, listes, facts_version=0)
    for code_commune, liste in listes:
        with connection.begin():
            connection.execute(
                update(Electeur)
                .where(Electeur.code_commune == code_commune, Electeur.liste == liste, Electeur.version == version)
                .where(is_flagged())
                .values(facts=0)
                .execution_options(synchronize_session=False)
            )


def _mark(connection: Connection, version: int, listes: Iterable[ListeKey], **values: object) -> None:
    with connection.begin():
        for code_commune, liste in listes:
            connection.execute(
                update(ImportListe)
                .where(ImportListe.import_id == version)
                .where(ImportListe.code_commune == code_commune, ImportListe.liste == liste)
                .values(**values)
            )


BirthDate = str | ColumnElement[str]


def is_of_age(last_birth: BirthDate, youngest: BirthDate) -> ColumnElement[bool]:
    """No minor; a date that cannot be read, or is later than `youngest`, does not make a minor but an anomaly.

    `last_birth`: the latest date of birth of a person who is of age on the day that counts; `youngest`: that of a
    person who may be on a list at all.
    """
    born = Electeur.date_naissance
    as_written = _as_written()
    is_mineur = and_(is_readable(as_written), as_written > last_birth, as_written <= youngest)
    return or_(and_(born <= last_birth, born >= "0"), not_(is_mineur))


def is_born_between(after: str, until: str) -> ColumnElement[bool]:
    """Born later than `after`, and no later than `until`; the cheap look first, since few are."""
    born = Electeur.date_naissance
    as_written = _as_written()
    return and_(or_(born > after, born < "0"), is_readable(as_written), as_written > after, as_written <= until)


def _as_written() -> ColumnElement[str]:
    return cleaned(type_coerce(Electeur.date_naissance, Text))
