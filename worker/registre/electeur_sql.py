"""What an elector is told by, as SQL: who she is, where she lives, what may have changed."""

from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import Case, ColumnElement, Text, case, func, literal
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm.util import AliasedClass

from worker.domain.texte import JOINT
from worker.registre.models import Electeur

IDENTITE = ("nom_naissance", "prenoms", "date_naissance", "lieu_naissance")
"""The identity key within a list: homonyms share it. The last one is `lieu_naissance`, below."""

_DETAILS = (
    *("code_bureau", "sexe", "nom_usage", "code_commune_naissance", "departement_naissance", "pays_naissance"),
    *("nationalite", "complement1", "complement2", "numero_voie", "type_voie", "libelle_voie", "lieu_dit"),
    *("code_postal", "ville", "pays"),
)

Source = type[Electeur] | AliasedClass[Electeur]


def lieu_naissance(electeur: Source = Electeur) -> ColumnElement[str]:
    """The commune of birth; the country when the commune is not known."""
    return func.coalesce(func.nullif(electeur.commune_naissance, ""), electeur.pays_naissance)


def identite_columns(electeur: Source = Electeur) -> list[ColumnElement[Any]]:
    """The columns of the identity key, under their names."""
    named: list[ColumnElement[Any]] = [getattr(electeur, name).label(name) for name in IDENTITE[:-1]]
    return [*named, lieu_naissance(electeur).label(IDENTITE[-1])]


def details(electeur: Source = Electeur) -> ColumnElement[str]:
    """All that may change in an elector who stays the same; not the order numbers, which are given anew at times."""
    values = [getattr(electeur, name) for name in _DETAILS]
    return reduce(lambda joined, value: joined + literal(JOINT, Text) + value, values)


def adresse(electeur: Source = Electeur) -> ColumnElement[str]:
    """The address on one line: `Bât A, 12 BIS Rue de la Sauge, 13900 LIBREVILLE, BELGIQUE`; France is not said."""
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


def _join(separator: str, *parts: ColumnElement[str] | InstrumentedAttribute[str] | Case[str]) -> ColumnElement[str]:
    """The parts that are not empty, with the separator between them."""
    led = [case((part == "", literal("", Text)), else_=literal(separator, Text) + part) for part in parts]
    return func.substr(reduce(add, led), len(separator) + 1)
