"""What makes e-listelec reject an elector, and what deserves a look: one table of rules, as SQL conditions.

Source: arrêté du 12 novembre 2013, art. 2; FAQ of the préfecture de la Haute-Marne (21/08/2014) for what the platform
checks. A rule is true where something is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, and_, false, func, not_, or_, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from schemas.vocabulary import Liste, Severity
from worker.registre.models import Electeur
from worker.writers.columns import Spec, header_of, is_readable

LONGEST = 255
"""No official limit is published; a longer value is reported, never cut."""

FRANCAIS = ("Française", "française", "FRANÇAISE", "Francaise", "FRANCAISE", "Français", "FRANÇAIS", "FRANCAIS", "FR")


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong with an elector: a stable code, the column at fault, what a clerk is to do."""

    code: str
    severity: Severity
    column: str
    message: str
    condition: Callable[[Spec], ColumnElement[bool]]


def _empty(column: InstrumentedAttribute[str]) -> Callable[[Spec], ColumnElement[bool]]:
    return lambda _spec: column == ""


def _complementary(condition: ColumnElement[bool]) -> Callable[[Spec], ColumnElement[bool]]:
    return lambda spec: false() if spec.liste is Liste.PRINCIPALE else condition


E = Electeur
_DATE = E.date_naissance
_MOIS, _JOUR = func.substr(_DATE, 6, 2), func.substr(_DATE, 9, 2)
_LISIBLE = _DATE.like("____-__-__")
_PARTIELLE = or_(_DATE.like("0000-__-__"), _DATE.like("____-00-__"), _DATE.like("____-__-00"))
_BISSEXTILE = or_(
    func.substr(_DATE, 3, 2).in_([f"{year:02}" for year in range(4, 100, 4)]),
    func.substr(_DATE, 1, 4).in_(("0000", "1600", "2000", "2400")),
)
_IMPOSSIBLE = and_(
    _LISIBLE,
    or_(
        _MOIS > "12",
        and_(
            _JOUR > "28",
            or_(
                _JOUR > "31",
                and_(_JOUR == "31", _MOIS.in_(("02", "04", "06", "09", "11"))),
                and_(_JOUR == "30", _MOIS == "02"),
                and_(_JOUR == "29", _MOIS == "02", not_(_BISSEXTILE)),
            ),
        ),
    ),
)
_NAISSANCE_INCOHERENTE = or_(
    and_(E.departement_naissance == "99", func.upper(E.pays_naissance) == "FRANCE"),
    and_(
        E.code_commune_naissance != "",
        E.departement_naissance != "",
        not_(
            and_(func.substr(E.code_commune_naissance, 1, 2) == "20", E.departement_naissance.in_(("2A", "2B", "20")))
        ),
        func.substr(E.code_commune_naissance, 1, func.length(E.departement_naissance)) != E.departement_naissance,
    ),
)

_BLOCKING = (
    ("sexe_absent", E.sexe, "Sexe absent ou différent de M et F : l'indiquer.", lambda _s: E.sexe.not_in(("M", "F"))),
    ("nom_absent", E.nom_naissance, "Nom de naissance absent : l'indiquer.", _empty(E.nom_naissance)),
    ("prenoms_absents", E.prenoms, "Prénoms absents : indiquer au moins un prénom.", _empty(E.prenoms)),
    ("date_absente", _DATE, "Date de naissance absente : l'indiquer, même partielle.", _empty(_DATE)),
    (
        "date_illisible",
        _DATE,
        "Date de naissance illisible : l'écrire JJ/MM/AAAA.",
        lambda _s: and_(_DATE != "", not_(is_readable(type_coerce(_DATE, Text)))),
    ),
    (
        "commune_naissance_absente",
        E.commune_naissance,
        "Commune de naissance absente : l'indiquer.",
        _empty(E.commune_naissance),
    ),
    (
        "departement_naissance_absent",
        E.departement_naissance,
        "Département de naissance absent : indiquer son code, 99 à l'étranger.",
        _empty(E.departement_naissance),
    ),
    (
        "pays_naissance_absent",
        E.pays_naissance,
        "Né à l'étranger (99) sans pays de naissance : l'indiquer.",
        lambda _s: and_(E.departement_naissance == "99", E.pays_naissance == ""),
    ),
    (
        "voie_absente",
        E.libelle_voie,
        "Adresse sans voie ni lieu-dit : indiquer l'un des deux.",
        lambda _s: and_(E.libelle_voie == "", E.lieu_dit == ""),
    ),
    ("code_postal_absent", E.code_postal, "Code postal absent de l'adresse : l'indiquer.", _empty(E.code_postal)),
    ("ville_absente", E.ville, "Ville absente de l'adresse : l'indiquer.", _empty(E.ville)),
    (
        "nationalite_absente",
        E.nationalite,
        "Nationalité absente, obligatoire sur une liste complémentaire : l'indiquer.",
        _complementary(E.nationalite == ""),
    ),
)

_REMARKS = (
    (
        "date_partielle",
        _DATE,
        "Date de naissance partielle, transmise telle quelle : vérifier l'état civil.",
        lambda _s: _PARTIELLE,
    ),
    (
        "date_impossible",
        _DATE,
        "Ce jour n'existe pas dans le calendrier : vérifier la date de naissance.",
        lambda _s: _IMPOSSIBLE,
    ),
    (
        "date_future",
        _DATE,
        "Date de naissance à venir : la vérifier.",
        lambda spec: and_(_LISIBLE, spec.today < _DATE),
    ),
    (
        "bureau_absent",
        E.code_bureau,
        "Électeur sans bureau de vote : l'affecter à un bureau.",
        _empty(E.code_bureau),
    ),
    (
        "numero_provisoire",
        E.numero_general,
        "Numéro d'ordre provisoire (0) : il sera attribué à l'application du mouvement.",
        lambda _s: E.numero_general == 0,
    ),
    (
        "nom_usage_identique",
        E.nom_usage,
        "Nom d'usage identique au nom de naissance : laissé vide dans le fichier.",
        lambda _s: and_(E.nom_usage != "", E.nom_usage == E.nom_naissance),
    ),
    (
        "nationalite_francaise",
        E.nationalite,
        "Nationalité française sur une liste complémentaire : vérifier la liste de l'électeur.",
        _complementary(E.nationalite.in_(FRANCAIS)),
    ),
    (
        "departement_obsolete",
        E.departement_naissance,
        "Code de département 20 obsolète : indiquer 2A ou 2B.",
        lambda _s: E.departement_naissance == "20",
    ),
    (
        "naissance_incoherente",
        E.departement_naissance,
        "Le département de naissance ne s'accorde pas avec la commune ou le pays : vérifier.",
        lambda _s: _NAISSANCE_INCOHERENTE,
    ),
)

RULES = tuple(
    Rule(code, severity, header_of(source), message, condition)
    for severity, table in ((Severity.BLOCKING, _BLOCKING), (Severity.REMARK, _REMARKS))
    for code, source, message, condition in table
)
