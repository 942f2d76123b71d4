"""A cheap look at every row for values that the file could not carry as they are.

Values are cleaned when they enter the register by an import; a service that writes by SQL may leave others. One
expression per row finds them, and only then is the slower, cleaning way taken.
"""

from collections.abc import Sequence
from functools import reduce

from sqlalchemy import ColumnElement, Text, and_, func, literal, or_, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from worker.db.dirty import is_dirty, is_suspect, size_of
from worker.domain.texte import JOINT
from worker.registre.models import Electeur
from worker.writers.rules import LONGEST

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


def joined(columns: Sequence[InstrumentedAttribute[str]]) -> ColumnElement[str]:
    """All the values of a row in one text."""
    first: ColumnElement[str] = type_coerce(columns[0], Text)
    return reduce(lambda text, column: text + JOINT + column, columns[1:], first)


def has_separator(text: ColumnElement[str]) -> ColumnElement[bool]:
    """A character that the CSV has no escape for."""
    return text.contains(";") | text.contains('"')


def needs_cleaning(text: ColumnElement[str], *, separators: bool) -> ColumnElement[bool]:
    """A control character, odd white space, a form other than NFC; `separators`: or a separator of the CSV."""
    closer = or_(is_dirty(text), has_separator(text)) if separators else is_dirty(text)
    return and_(is_suspect(text), closer)


def is_too_long() -> ColumnElement[bool]:
    """One of the values is over the limit; the sum of their sizes denies it for most rows."""
    total = sum((size_of(column) for column in TEXTS), start=literal(0))
    return and_(total > LONGEST, or_(*(func.length(column) > LONGEST for column in TEXTS)))
