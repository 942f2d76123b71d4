"""Who deserves a closer look: whom the rules speak of, and whose values no file can carry as they are.

Values are cleaned when they enter the register by an import; a service that writes by SQL may leave others. One cheap
look at each row finds them, and only then is the slower, cleaning way taken.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, Text, and_, func, literal, or_, select, tuple_, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from worker.db.types import is_garbled, is_suspect, needs_cleaning, size_of
from worker.domain.texte import JOINT
from worker.registre.checks.rules import LONGEST, RULES, OnListe
from worker.registre.comparaison.differences import identite_columns
from worker.registre.models import Electeur

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


def deserves_look(liste: OnListe, *, separators: bool) -> ColumnElement[bool]:
    """Something is to be said of the elector; `separators`: also that a value holds what the CSV has no escape for."""
    text = joined_texts()
    closer = [needs_cleaning(text), is_garbled(text), *([has_separator(text)] if separators else [])]
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


def has_double(among: ColumnElement[bool]) -> ColumnElement[bool]:
    """An elector among these whose identity another one of them has; who lacks a name or a date has none."""
    known = and_(*(column != "" for column in (Electeur.nom_naissance, Electeur.prenoms, Electeur.date_naissance)))
    return _is_shared(identite_columns(), and_(among, known))


def has_double_numero(among: ColumnElement[bool]) -> ColumnElement[bool]:
    """An elector among these whose order number another one of her bureau has."""
    known = and_(Electeur.code_bureau != "", Electeur.numero_ordre.is_not(None))
    return _is_shared((Electeur.code_bureau, Electeur.numero_ordre), and_(among, known))


def _is_shared(keys: Sequence[SQLColumnExpression[Any]], among: ColumnElement[bool]) -> ColumnElement[bool]:
    """One pass to count, one to find: nothing is compared two by two."""
    several = select(*keys).where(among).group_by(*keys).having(func.count() > 1).correlate(None)
    return and_(among, tuple_(*keys).in_(several))
