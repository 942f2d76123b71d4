"""The list file: the list to write, the header values and the 29 columns. No other module names these columns.

Each column has its header and the source of its value.
Source: arrêté du 12 novembre 2013 (NOR INTA1326795A), art. 2 and its table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    String,
    Text,
    and_,
    bindparam,
    case,
    func,
    null,
    schema,
    select,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.visitors import replacement_traverse

from common.calendrier import YOUNGEST, last_birth
from common.french import short_date
from schemas.vocabulary import Liste
from worker.db.types import cleaned
from worker.registre.checks.facts import is_of_age
from worker.registre.checks.rules import OnListe
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

    @property
    def nom_affiche(self) -> str:
        """The name of the commune, in the form that the file uses."""
        return self.nom_commune.upper()

    @property
    def date_creation(self) -> str:
        """The day of the file, in the form that the file uses."""
        return short_date(self.jour)

    @property
    def last_birth(self) -> str:
        """The latest date of birth of a person of age, as ISO 8601 text like the register's."""
        return last_birth(self.age_on or self.jour)

    @property
    def today(self) -> str:
        """The day of the file, as ISO 8601 text like the register's."""
        return self.jour.isoformat()

    @property
    def youngest(self) -> str:
        """The latest date of birth of a person who may be on a list, as ISO 8601 text like the register's."""
        return last_birth(self.jour, YOUNGEST)

    @property
    def parameters(self) -> dict[str, str | int]:
        """The parameter values of a statement that was built with AnyListe."""
        return {name: getattr(self, name) for name in _PARAMETERS}


class AnyListe(OnListe):
    """Replaces the ListeSpec in a statement that is built once per list: each value is a bind parameter.

    Building the statements of a file takes longer than writing the file of a village.
    """

    def __init__(self, liste: Liste) -> None:
        super().__init__(liste, _text("today"), _text("youngest"))
        self.version: BindParameter[int] = bindparam("version", type_=BigInteger, required=False)
        self.code_commune = _text("code_commune")
        self.nom_affiche = _text("nom_affiche")
        self.code_departement = _text("code_departement")
        self.type_liste = _text("type_liste")
        self.info_liste = _text("info_liste")
        self.date_creation = _text("date_creation")
        self.last_birth = _text("last_birth")


def _text(name: str) -> BindParameter[str]:
    return bindparam(name, type_=Text, required=False)


Spec = ListeSpec | AnyListe

_PARAMETERS = vars(AnyListe(Liste.PRINCIPALE)).keys() - {"liste"}


Expression = Callable[[Spec], ColumnElement[Any]]


@dataclass(frozen=True)
class Column:
    """One column: the ministry's exact name, the expression of its value (NULL if empty), and the register's column."""

    name: str
    expression: Expression
    source: InstrumentedAttribute[Any] | None = None
    is_text: bool = True


def _constant(field: str) -> Expression:
    return lambda spec: type_coerce(getattr(spec, field), String)


def _text_or_null(name: str, source: InstrumentedAttribute[str]) -> Column:
    return Column(name, lambda _spec: func.nullif(source, ""), source)


def _date_naissance(_spec: Spec) -> ColumnElement[Any]:
    text = Electeur.date_naissance
    slashed = func.substr(text, 9, 2) + "/" + func.substr(text, 6, 2) + "/" + func.substr(text, 1, 4)
    return case((text.like("____-__-__"), slashed), else_=func.nullif(text, ""))


def _numero_general(_spec: Spec) -> ColumnElement[Any]:
    return type_coerce(Electeur.numero_general, Integer)


def _nationalite(spec: Spec) -> ColumnElement[Any]:
    return null() if spec.liste is Liste.PRINCIPALE else func.nullif(Electeur.nationalite, "")


def _nom_usage(_spec: Spec) -> ColumnElement[Any]:
    return func.nullif(func.nullif(Electeur.nom_usage, Electeur.nom_naissance), "")


def _numero_voie(_spec: Spec) -> ColumnElement[Any]:
    return case((func.lower(Electeur.numero_voie).not_in(("0", "sans", "")), Electeur.numero_voie))


def _pays(_spec: Spec) -> ColumnElement[Any]:
    return func.coalesce(func.nullif(Electeur.pays, ""), "FRANCE")


ENTETE_FIELDS = {
    "TypeListe": "type_liste",
    "InfoListe": "info_liste",
    "DateCreationListe": "date_creation",
    "CodeDepartement": "code_departement",
    "CodeCommune": "code_commune",
    "NomCommune": "nom_affiche",
}
"""Columns 1–6, equal on each line, with their fields of the ListeSpec."""

ENTETE = tuple(Column(name, _constant(field)) for name, field in ENTETE_FIELDS.items())

IDENTITE = (
    Column("NoElecteurGeneral", _numero_general, Electeur.numero_general, is_text=False),
    _text_or_null("Sexe", Electeur.sexe),
    _text_or_null("NomdeNaissance", Electeur.nom_naissance),
    Column("NomDusage", _nom_usage, Electeur.nom_usage),
    _text_or_null("Prenoms", Electeur.prenoms),
    Column("DateDeNaissance", _date_naissance, Electeur.date_naissance),
    _text_or_null("NomComNaissance", Electeur.commune_naissance),
    _text_or_null("DeptNaissance", Electeur.departement_naissance),
    _text_or_null("PaysNaissance", Electeur.pays_naissance),
    Column("Nationalite", _nationalite, Electeur.nationalite),
    _text_or_null("NomBureauDeVote", Bureau.libelle),
    _text_or_null("NoBureauDeVote", Electeur.code_bureau),
    _text_or_null("CodeCanton", Bureau.code_canton),
    _text_or_null("CodeCirconscription", Bureau.code_circonscription),
)

ADRESSE = (
    _text_or_null("ComplementDeLocalisation1", Electeur.complement1),
    _text_or_null("ComplementDeLocalisation2", Electeur.complement2),
    Column("NumeroVoie", _numero_voie, Electeur.numero_voie),
    _text_or_null("TypeVoie", Electeur.type_voie),
    _text_or_null("LibelleVoie", Electeur.libelle_voie),
    _text_or_null("LieuDit", Electeur.lieu_dit),
    _text_or_null("CodePostal", Electeur.code_postal),
    _text_or_null("VilleLocalite", Electeur.ville),
    Column("Pays", _pays, Electeur.pays),
)

COLUMNS = ENTETE + IDENTITE + ADRESSE

READ_COLUMNS = IDENTITE + ADRESSE
"""The columns that differ between electors; the readers return their values."""

Values = Sequence[str]
"""The values of one elector, in the order of READ_COLUMNS; an absent value is an empty text."""


class NotOurFileError(Exception):
    """The worker did not make this file; the message gives the reason without a value of the file."""


_TABLES = (Electeur.__tablename__, Bureau.__tablename__)
_NAMES = {column.source: column.name for column in COLUMNS if column.source is not None}


def header_of(source: InstrumentedAttribute[Any]) -> str:
    """Return the ministry's name of the column that this value of the register is written to."""
    return _NAMES[source]


def select_electeurs(
    spec: Spec, columns: tuple[Column, ...], *, cleaning: bool = False, replace_separators: bool = False
) -> Select[Any]:
    """Build the SELECT of the file: the electors of age on the list, in the order of its lines.

    `cleaning` cleans the values in the query; `replace_separators` replaces `;` and `"` with `,` and `'`, because the
    CSV has no escape for them.
    """
    values = []
    for column in columns:
        value = over_clean_values(column.expression(spec)) if cleaning else column.expression(spec)
        if replace_separators and column.is_text:
            value = func.replace(func.replace(value, ";", ","), '"', "'")
        values.append(value.label(column.name))
    return (
        select(*values)
        .select_from(Electeur)
        .outerjoin(Bureau, and_(Bureau.code_commune == Electeur.code_commune, Bureau.code == Electeur.code_bureau))
        .where(on_liste(spec), of_age(spec))
        .order_by(*ORDRE)
    )


def on_liste(spec: Spec) -> ColumnElement[bool]:
    """Select the electors of the list, including minors registered in advance."""
    return and_(
        Electeur.code_commune == spec.code_commune, Electeur.liste == spec.liste.value, Electeur.version == spec.version
    )


def of_age(spec: Spec) -> ColumnElement[bool]:
    """Select the electors who are not minors on the day of the file."""
    return is_of_age(spec.last_birth, spec.youngest)


def over_clean_values(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the expression over cleaned register columns, so that rules check the values written to the file."""

    def clean(element: Any, **_options: Any) -> ColumnElement[str] | None:  # noqa: ANN401 — any part of an expression
        if isinstance(element, schema.Column) and isinstance(element.type, Text) and element.table.name in _TABLES:
            return cleaned(element)
        return None

    cleaner: ColumnElement[Any] = replacement_traverse(expression, {}, clean)
    return cleaner
