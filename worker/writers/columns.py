"""The list file: the list to write, and the expression of each value that a profile may give a column to.

Source: arrêté du 12 novembre 2013 (NOR INTA1326795A), art. 2 and its table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    schema,
    select,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.visitors import replacement_traverse

from common.calendrier import YOUNGEST, last_birth
from common.french import short_date
from common.texte import INSTEAD
from schemas.profiles.platform import COLUMN_VALUES, FileForm, read_shipped
from schemas.vocabulary import Liste
from worker.db.types import cleaned
from worker.registre.checks.facts import is_of_age
from worker.registre.checks.rules import YOUNGEST_BIRTH
from worker.registre.imports.history import Basis
from worker.registre.models import ORDRE, Bureau, Electeur


@dataclass(frozen=True)
class ListeSpec:
    """One list of one commune, at one version of the register, on one day."""

    code_commune: str
    nom_commune: str
    code_departement: str
    liste: Liste
    version: int
    type_liste: str
    info_liste: str
    jour: date
    has_facts: bool = False
    """Whether only electors with a finding are checked for anomalies, else all of them."""
    age_on: date | None = None
    """The day on which the electors must be of age, if it differs from the day of the file."""
    basis: Basis | None = None
    """The REU export that the list comes from; None where a service writes the register."""
    form: FileForm = field(default_factory=lambda: read_shipped().form)

    @property
    def parameters(self) -> dict[str, str | int]:
        """The parameters of the statements below; the first six are the values that are equal on each line."""
        return {
            "type_liste": self.type_liste,
            "info_liste": self.info_liste,
            "date_creation": short_date(self.jour),
            "code_departement": self.code_departement,
            "code_commune": self.code_commune,
            "nom_commune": self.nom_commune.upper(),
            "liste": self.liste.value,
            "version": self.version,
            "today": self.jour.isoformat(),
            "last_birth": last_birth(self.age_on or self.jour),
            "youngest": last_birth(self.jour, YOUNGEST),
        }


def _parameter(name: str) -> BindParameter[str]:
    return bindparam(name, type_=Text, required=False)


# Each statement is built once: building the statements of a file takes longer than writing the file of a village.
_CODE_COMMUNE, _LISTE, _LAST_BIRTH = map(_parameter, ("code_commune", "liste", "last_birth"))
_VERSION: BindParameter[int] = bindparam("version", type_=BigInteger, required=False)

ON_LISTE = and_(
    Electeur.code_commune == _CODE_COMMUNE, Electeur.liste == _LISTE, Electeur.version == _VERSION
)
"""Selects the electors of the list, including minors registered in advance."""
OF_AGE = is_of_age(_LAST_BIRTH, YOUNGEST_BIRTH)
"""Selects the electors who are not minors on the day of the file."""


@dataclass(frozen=True)
class Column:
    """A value of a line: its expression (NULL if empty), and the register's column."""

    value: str
    expression: ColumnElement[Any]
    source: InstrumentedAttribute[Any] | None = None
    is_text: bool = True


_BORN = Electeur.date_naissance
_SLASHED = (
    func.substr(_BORN, 9, 2) + "/" + func.substr(_BORN, 6, 2) + "/" + func.substr(_BORN, 1, 4)
)

_OTHERWISE: dict[InstrumentedAttribute[Any], ColumnElement[Any]] = {
    Electeur.numero_general: type_coerce(Electeur.numero_general, Integer),
    Electeur.nom_usage: func.nullif(func.nullif(Electeur.nom_usage, Electeur.nom_naissance), ""),
    Electeur.date_naissance: case(
        (_BORN.like("____-__-__"), _SLASHED), else_=func.nullif(_BORN, "")
    ),
    Electeur.nationalite: case(
        (Electeur.liste != Liste.PRINCIPALE.value, func.nullif(Electeur.nationalite, ""))
    ),
    Electeur.numero_voie: case(
        (func.lower(Electeur.numero_voie).not_in(("0", "sans", "")), Electeur.numero_voie)
    ),
    Electeur.pays: func.coalesce(func.nullif(Electeur.pays, ""), "FRANCE"),
}


_OF_BUREAU = {
    "libelle_bureau": Bureau.libelle,
    "code_canton": Bureau.code_canton,
    "code_circonscription": Bureau.code_circonscription,
}


def _column(value: str) -> Column:
    source = _OF_BUREAU[value] if value in _OF_BUREAU else getattr(Electeur, value)
    expression = _OTHERWISE.get(source, func.nullif(source, ""))
    return Column(value, expression, source, is_text=source is not Electeur.numero_general)


ENTETE = tuple(Column(value, _parameter(value)) for value in COLUMN_VALUES[:6])

_FIRST_OF_ADRESSE = COLUMN_VALUES.index("complement1")
IDENTITE = tuple(map(_column, COLUMN_VALUES[len(ENTETE) : _FIRST_OF_ADRESSE]))
ADRESSE = tuple(map(_column, COLUMN_VALUES[_FIRST_OF_ADRESSE:]))

COLUMNS = ENTETE + IDENTITE + ADRESSE

READ_COLUMNS = IDENTITE + ADRESSE
"""The columns that differ between electors; the readers return their values."""
READ_VALUES = [column.value for column in READ_COLUMNS]


def among(values: Iterable[str], columns: Iterable[Column] = COLUMNS) -> tuple[Column, ...]:
    """Return the columns of these values, in the order of the values."""
    wanted = {column.value: column for column in columns}
    return tuple(wanted[value] for value in values if value in wanted)


Values = Sequence[str]
"""The values of one elector, in the order of READ_COLUMNS; an absent value is an empty text."""


class NotOurFileError(Exception):
    """The worker did not make this file; the message gives the reason without a value of the file."""


_TABLES = (Electeur.__tablename__, Bureau.__tablename__)
_VALUES = {column.source: column.value for column in COLUMNS if column.source is not None}


def header_of(source: InstrumentedAttribute[Any], form: FileForm | None = None) -> str:
    """Return the title of the column that this value of the register is written to; without a form, the ministry's."""
    return (form or read_shipped().form).title(_VALUES[source])


def is_written(source: InstrumentedAttribute[Any], form: FileForm) -> bool:
    """Whether a file of this form has a column for this value of the register."""
    return _VALUES[source] in form.values


@cache
def select_electeurs(
    columns: tuple[Column, ...], *, cleaning: bool = False, separator: str = ""
) -> Select[Any]:
    """Build the SELECT of the file: the electors of age on the list, in the order of its lines.

    `cleaning` cleans the values in the query. The CSV has no escape: its `separator`, and `"`, are replaced.
    """
    values = []
    for column in columns:
        value = over_clean_values(column.expression) if cleaning else column.expression
        if separator and column.is_text:
            value = func.replace(func.replace(value, separator, INSTEAD[separator]), '"', "'")
        values.append(value.label(column.value))
    return (
        select(*values)
        .select_from(Electeur)
        .outerjoin(
            Bureau,
            and_(Bureau.code_commune == Electeur.code_commune, Bureau.code == Electeur.code_bureau),
        )
        .where(ON_LISTE, OF_AGE)
        .order_by(*ORDRE)
    )


def over_clean_values(
    expression: ColumnElement[Any], rows: FromClause | None = None
) -> ColumnElement[Any]:
    """Return the expression over cleaned register columns, so that rules check the values written to the file.

    `rows`: a query that has cleaned them, under their names.
    """

    def clean(element: Any, **_options: Any) -> ColumnElement[str] | None:  # noqa: ANN401 — any part of an expression
        if not isinstance(element, schema.Column) or element.table.name not in _TABLES:
            return None
        if rows is not None:
            return rows.c.get(element.key)
        return cleaned(element) if isinstance(element.type, Text) else None

    cleaner: ColumnElement[Any] = replacement_traverse(expression, {}, clean)
    return cleaner
