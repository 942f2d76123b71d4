"""Who deserves a closer look: whom the rules speak of, and whose values no file can carry as they are.

Values are cleaned when they enter the register by an import; a service that writes by SQL may leave others. One cheap
look at each row finds them, and only then is the slower, cleaning way taken.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from enum import Enum, IntFlag, auto
from functools import cache, reduce
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    SQLColumnExpression,
    Text,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute

from common.texte import JOINT
from worker.db.types import is_suspect, needs_cleaning, size_of
from worker.domain.identite import fold_identite
from worker.registre.checks.rules import LONGEST, RUINED_TEXTS, RULES, OnListe
from worker.registre.comparaison.differences import IDENTITE, identite_columns
from worker.registre.models import ORDRE, Electeur, ImportListe

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
