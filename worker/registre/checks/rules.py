"""The rules for anomalies of electors, blocking or to verify: one table of SQL conditions.

Sources: arrêté du 12 novembre 2013 (NOR INTA1326795A), art. 2; FAQ of the préfecture de la Haute-Marne (21/08/2014) for
what the platform checks. A condition is true where a value is wrong; the test that excludes most electors comes first.
`source` names the origin of the rule: the platform, the law, or this project.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Text,
    and_,
    bindparam,
    false,
    func,
    not_,
    or_,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute

from common.calendrier import YOUNGEST
from schemas.vocabulary import Liste, Severity
from worker.db.types import has_odd_sign, is_altered, is_garbled, size_of, without_case
from worker.registre.models import Bureau, Electeur
from worker.registre.reference import DEPARTEMENTS_NAISSANCE_SEULE, nationalites, read_departements

LONGEST = 255
"""No official limit is published; a longer value is reported, never cut."""

OLDEST = "1905"
"""No person born before this year is alive: Lucile Randon, born in 1904, was the last one, and died in January 2023.

The first days of spreadsheet calendars, 1 January 1900 and 1 January 1904, are therefore errors.
"""


OLD_DAYS = 62
"""Days after which an export is old: the REU changes every day, and a poll's list closes six weeks before it."""


TODAY: BindParameter[str] = bindparam("today", type_=Text, required=False)
"""The parameter of the day that the rules check, AAAA-MM-JJ."""
YOUNGEST_BIRTH: BindParameter[str] = bindparam("youngest", type_=Text, required=False)
"""The parameter of the latest date of birth that an elector may have on that day."""


PLATFORM = "contrôles d'e-listelec, décrits par les préfectures"
MINISTRY = "arrêté du 12 novembre 2013, art. 2"
MUNICIPAL_LAW = "Code électoral, art. LO 227-1"
EUROPEAN_LAW = "loi n° 77-729 du 7 juillet 1977, art. 2-1"
GEOGRAPHY = "INSEE, Code officiel géographique"
OURS = "choix du module"


_ELSEWHERE: ColumnElement[bool] = false()


@dataclass(frozen=True)
class Kind:
    """One kind of anomaly: a stable code, the column, the message for the agent, and the source of the rule."""

    severity: Severity
    code: str
    value: InstrumentedAttribute[Any] | None
    message: str
    condition: ColumnElement[bool] = _ELSEWHERE
    """What is wrong with one elector, for the kinds in RULES; other statements find the other kinds."""
    source: str = OURS
    is_ours: bool = False
    """Blocking by this project's choice: the platform accepts the file, but the list is wrong at the poll."""


E = Electeur
_COMPLEMENTAIRE = E.liste != Liste.PRINCIPALE.value


def is_readable(date_naissance: ColumnElement[str]) -> ColumnElement[bool]:
    """Test whether a date of birth has the register's form, even if the day does not exist."""
    return date_naissance.regexp_match("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")


_DATE = E.date_naissance
_MOIS, _JOUR = func.substr(_DATE, 6, 2), func.substr(_DATE, 9, 2)
_LISIBLE = _DATE.like("____-__-__")
_PARTIELLE = or_(_DATE.like("0000-__-__"), _DATE.like("____-00-__"), _DATE.like("____-__-00"))
_BISSEXTILE = or_(
    func.substr(_DATE, 3, 2).in_([f"{year:02}" for year in range(4, 100, 4)]),
    func.substr(_DATE, 1, 4).in_(("0000", "1600", "2000", "2400")),
)
_IMPOSSIBLE = and_(
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
    _LISIBLE,
)

_COMMUNE = E.code_commune_naissance
_ALGERIE = and_(
    E.departement_naissance.in_(("91", "92", "93", "94")),
    func.upper(E.pays_naissance).in_(("ALGERIE", "ALGÉRIE", "ALGéRIE")),
)
_BEFORE_1968 = and_(
    _DATE < "1968-01-01",
    or_(
        and_(E.departement_naissance == "75", func.substr(_COMMUNE, 1, 2).in_(("92", "93", "94"))),
        and_(
            E.departement_naissance == "78",
            func.substr(_COMMUNE, 1, 2).in_(("91", "92", "93", "94", "95")),
        ),
    ),
)
"""Communes of the former Seine and Seine-et-Oise have codes of today's départements. Loi n° 64-707, art. 1er."""

_NAISSANCE_INCOHERENTE = or_(
    and_(E.departement_naissance == "99", func.upper(E.pays_naissance) == "FRANCE"),
    and_(_ALGERIE, _DATE >= "1962-07-03"),
    and_(
        func.substr(_COMMUNE, 1, func.length(E.departement_naissance)) != E.departement_naissance,
        func.length(_COMMUNE) == 5,  # noqa: PLR2004 — an INSEE code; a shorter one has lost its zero
        func.length(E.departement_naissance) > 1,
        not_(
            and_(
                func.substr(_COMMUNE, 1, 2) == "20", E.departement_naissance.in_(("2A", "2B", "20"))
            )
        ),
        not_(_BEFORE_1968),
    ),
)


def _is_digits(text: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    return func.ltrim(text, "0123456789") == ""


def _lost_its_zero(column: InstrumentedAttribute[str], digits: int) -> ColumnElement[bool]:
    return and_(func.length(column) == digits - 1, column >= "1", _is_digits(column))


_CP = E.code_postal
_EN_FRANCE = func.upper(E.pays).in_(("", "FRANCE"))
_ZERO_CODE_POSTAL = and_(_lost_its_zero(_CP, 5), _EN_FRANCE)
_ZERO_DEPARTEMENT = _lost_its_zero(E.departement_naissance, 2)
_ZERO_COMMUNE = _lost_its_zero(_COMMUNE, 5)
HAS_LOST_ZEROS = or_(_ZERO_CODE_POSTAL, _ZERO_DEPARTEMENT, _ZERO_COMMUNE)
"""A spreadsheet stored the code as a number and removed its leading zero."""

_OF_THE_ARMIES = E.ville.ilike("%arm_es%")
"""Army addresses, `00305 ARMEES` or `POSTE AUX ARMÉES`: their postal codes begin with 00."""

_BOITE_POSTALE = and_(
    _CP >= "A", func.upper(_CP).regexp_match("^(BP|B[.]P[.]|CS|TSA) ?[0-9]"), _EN_FRANCE
)

_CODE_POSTAL_INCONNU = and_(
    not_(
        and_(
            or_(
                and_(_CP >= "01", _CP < "96"),
                and_(_CP >= "97", _CP < "99"),
                and_(_CP < "01", _OF_THE_ARMIES),
            ),
            func.length(_CP) == 5,  # noqa: PLR2004
            _is_digits(_CP),
        )
    ),
    _CP != "",
    _EN_FRANCE,
    not_(_ZERO_CODE_POSTAL),
    not_(_BOITE_POSTALE),
)

_NO_LETTER = "0123456789 !\"#$%&'()*+,-./:;<=>?@[]^_`{|}~°²’–—…"

PLACEHOLDERS = (
    "NULL",
    "null",
    "NaN",
    "nan",
    "None",
    "N/A",
    "n/a",
    "TEST",
    "Test",
    "test",
    "XXX",
    "XXXX",
    "xxx",
    "xxxx",
    "TRUE",
    "FALSE",
    "VRAI",
)
"""Whole values that a program or a test writes in place of a missing value, in exactly these letters.

A few persons have the surname NULL or TEST. They are reported too: in an export of the REU the word is a placeholder
far more often. `Null` and `NONE` are not in the list: one is a surname, the other an Italian town. `FAUX`, what a
French spreadsheet makes of FALSE, is a frequent surname and the name of communes: it is wrong as a first name only.
"""


_OR_PLACEHOLDER = "ou mot d'essai (« NULL », « TEST »…)"
_NO_NAME = f"sans lettre, avec un chiffre, un signe ou une civilité (« M. »), {_OR_PLACEHOLDER}"


def _is_placeholder(column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    return and_(size_of(column).between(3, 5), column.in_(PLACEHOLDERS))


def _is_no_word(column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    begins_otherwise = or_(column < "A", column >= "[")
    only = and_(begins_otherwise, column != "", func.ltrim(column, _NO_LETTER) == "")
    return or_(only, _is_placeholder(column))


def _has_civilite(column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Test for a title in place of a name or before it; `M. Carmen` is a first name, written short."""
    m = "M[.]$" if column is E.prenoms else "M[.]"
    begins_so = func.substr(column, 1, 1).in_(("M", "m"))
    return and_(begins_so, func.upper(column).regexp_match(f"^({m}|(MME|MLLE)([. ]|$))"))


def _is_no_name(column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    return or_(_is_no_word(column), has_odd_sign(column), _has_civilite(column))


_MONTHS = "janv|févr|fevr|mars|avr|mai|juin|juil|août|aout|sept|oct|nov|déc|dec"
_DAY = "[0-9]{1,4}"
_NUMERO_EN_DATE = and_(
    func.length(E.numero_voie) > 4,  # noqa: PLR2004 — `1-mai`; a spreadsheet counts 12 March 2022 as day 44632
    func.lower(E.numero_voie).regexp_match(
        f"^4[0-9]{{4}}$|^({_DAY}-)?({_MONTHS})[.]?(-{_DAY})?$|^[0-9]{{1,2}}[/-][0-9]{{1,2}}[/-]{_DAY}$|^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}"
    ),
)


_BUREAU_EN_DATE = and_(
    func.length(E.code_bureau) > 4,  # noqa: PLR2004 — `1-mai`
    func.lower(E.code_bureau).regexp_match(f"^{_DAY}-({_MONTHS})[.]?$|^({_MONTHS})[.]?-{_DAY}$"),
)


def _is_citizen() -> ColumnElement[bool]:
    """Test for a spelling of the nationality of a state that is a member of the European Union on the day."""
    spellings = defaultdict[tuple[str, str], set[str]](set)
    for it in nationalites():
        spellings[it.since, it.until].update(it.spellings)
    memberships: list[ColumnElement[bool]] = []
    for (since, until), texts in spellings.items():
        while_member = and_(since <= TODAY, until > TODAY) if until else since <= TODAY
        memberships.append(and_(E.nationalite.in_(sorted(texts)), while_member))
    return or_(*memberships)


FRANCAIS = sorted(spelling for it in nationalites() if it.code == "FR" for spelling in it.spellings)


_blocking = partial(Kind, Severity.BLOCKING, source=PLATFORM)
_ruined = partial(Kind, Severity.BLOCKING, is_ours=True)
_remark = partial(Kind, Severity.REMARK)

RULES = (
    # The platform rejects a file with one of these.
    _blocking(
        "sexe_absent",
        E.sexe,
        "Sexe absent ou différent de M et F : l'indiquer.",
        E.sexe.not_in(("M", "F")),
    ),
    _blocking(
        "nom_absent",
        E.nom_naissance,
        "Nom de naissance absent : l'indiquer.",
        E.nom_naissance == "",
    ),
    _blocking(
        "prenoms_absents",
        E.prenoms,
        "Prénoms absents : indiquer au moins un prénom.",
        E.prenoms == "",
    ),
    _blocking(
        "date_absente",
        _DATE,
        "Date de naissance absente : l'indiquer, même partielle.",
        _DATE == "",
    ),
    _blocking(
        "date_illisible",
        _DATE,
        "Date de naissance illisible : l'écrire JJ/MM/AAAA.",
        and_(_DATE != "", not_(is_readable(type_coerce(_DATE, Text)))),
        source=MINISTRY,
    ),
    _blocking(
        "commune_naissance_absente",
        E.commune_naissance,
        "Commune de naissance absente : l'indiquer.",
        E.commune_naissance == "",
    ),
    _blocking(
        "departement_naissance_absent",
        E.departement_naissance,
        "Département de naissance absent : indiquer son code, 99 à l'étranger.",
        E.departement_naissance == "",
    ),
    _blocking(
        "pays_naissance_absent",
        E.pays_naissance,
        "Né à l'étranger (99) sans pays de naissance : l'indiquer.",
        and_(E.departement_naissance == "99", E.pays_naissance == ""),
        source=MINISTRY,
    ),
    _blocking(
        "voie_absente",
        E.libelle_voie,
        "Adresse sans voie ni lieu-dit : indiquer l'un des deux.",
        and_(E.libelle_voie == "", E.lieu_dit == ""),
    ),
    _blocking(
        "code_postal_absent", _CP, "Code postal absent de l'adresse : l'indiquer.", _CP == ""
    ),
    _blocking("ville_absente", E.ville, "Ville absente de l'adresse : l'indiquer.", E.ville == ""),
    _blocking(
        "nationalite_absente",
        E.nationalite,
        "Nationalité absente, obligatoire sur une liste complémentaire : l'indiquer.",
        and_(_COMPLEMENTAIRE, E.nationalite == ""),
        source=MINISTRY,
    ),
    # The platform may accept the file, but the value is an error, or the elector is on the wrong list: `Kind.is_ours`.
    _ruined(
        "nom_abime",
        E.nom_naissance,
        f"Nom de naissance {_NO_NAME} : écrire celui de l'état civil.",
        _is_no_name(E.nom_naissance),
    ),
    _ruined(
        "nom_usage_abime",
        E.nom_usage,
        f"Nom d'usage {_NO_NAME} : l'écrire, ou le laisser vide.",
        _is_no_name(E.nom_usage),
    ),
    _ruined(
        "prenoms_abimes",
        E.prenoms,
        f"Prénoms {_NO_NAME} : écrire ceux de l'état civil.",
        or_(_is_no_name(E.prenoms), E.prenoms == "FAUX"),
    ),
    _ruined(
        "commune_naissance_abimee",
        E.commune_naissance,
        f"Commune de naissance sans lettre, {_OR_PLACEHOLDER} : écrire son nom.",
        _is_no_word(E.commune_naissance),
    ),
    _ruined(
        "pays_naissance_abime",
        E.pays_naissance,
        "Mot d'essai (« NULL », « TEST »…) à la place du pays de naissance : écrire son nom.",
        _is_placeholder(E.pays_naissance),
    ),
    _ruined(
        "numero_voie_en_date",
        E.numero_voie,
        "Un tableur a changé ce numéro de rue en date (« 12-mars ») : reprendre l'export du REU.",
        _NUMERO_EN_DATE,
    ),
    _ruined(
        "bureau_en_date",
        E.code_bureau,
        "Un tableur a changé ce numéro de bureau en date (« 01-janv ») : reprendre l'export du REU.",
        _BUREAU_EN_DATE,
    ),
    _ruined(
        "voie_abimee",
        E.libelle_voie,
        "Mot d'essai (« NULL », « TEST »…) à la place de la voie : écrire son nom.",
        _is_placeholder(E.libelle_voie),
    ),
    _ruined(
        "code_postal_abime",
        _CP,
        "Boîte postale (« BP 12 ») à la place du code postal : écrire chacun à sa place.",
        _BOITE_POSTALE,
    ),
    _ruined(
        "ville_abimee",
        E.ville,
        f"Ville sans lettre, {_OR_PLACEHOLDER} : écrire son nom, et le code postal à sa place.",
        _is_no_word(E.ville),
    ),
    _ruined(
        "date_impossible",
        _DATE,
        "Ce jour n'existe pas dans le calendrier : corriger la date de naissance.",
        _IMPOSSIBLE,
    ),
    _ruined(
        "date_trop_ancienne",
        _DATE,
        f"Naissance d'avant {OLDEST} (souvent 01/01/1900 ou 01/01/1904, case vide d'un tableur) : corriger la date.",
        and_(_DATE < OLDEST, _DATE >= "0001", _LISIBLE),
    ),
    _ruined(
        "date_trop_recente",
        _DATE,
        f"Naissance à venir, ou il y a moins de {YOUNGEST} ans : ce n'est pas un électeur. Corriger la date.",
        and_(YOUNGEST_BIRTH < _DATE, _LISIBLE),
    ),
    _ruined(
        "departement_inconnu",
        E.departement_naissance,
        "Ce code n'est celui d'aucun département : indiquer celui de naissance, 99 à l'étranger.",
        and_(
            func.upper(E.departement_naissance).not_in(
                sorted({*read_departements(), *DEPARTEMENTS_NAISSANCE_SEULE})
            ),
            E.departement_naissance != "",
            not_(_ZERO_DEPARTEMENT),
        ),
        source=GEOGRAPHY,
    ),
    _ruined(
        "departement_sans_zero",
        E.departement_naissance,
        "Département de naissance d'un seul chiffre : un tableur a retiré le zéro. Reprendre l'export du REU.",
        _ZERO_DEPARTEMENT,
        source=GEOGRAPHY,
    ),
    _ruined(
        "code_postal_sans_zero",
        _CP,
        "Code postal de quatre chiffres en France : un tableur a retiré le zéro. Reprendre l'export du REU.",
        _ZERO_CODE_POSTAL,
    ),
    _ruined(
        "nationalite_hors_union",
        E.nationalite,
        "Nationalité d'aucun État membre de l'Union européenne à cette date : la vérifier, ou la liste.",
        and_(_COMPLEMENTAIRE, E.nationalite != "", not_(_is_citizen())),
        source=f"{MUNICIPAL_LAW} ; {EUROPEAN_LAW}",
    ),
    _remark(
        "date_partielle",
        _DATE,
        "Date de naissance partielle, transmise telle quelle : vérifier l'état civil.",
        _PARTIELLE,
    ),
    _remark(
        "bureau_absent",
        E.code_bureau,
        "Électeur sans bureau de vote : l'affecter à un bureau.",
        E.code_bureau == "",
    ),
    _remark(
        "numero_provisoire",
        E.numero_general,
        "Numéro d'ordre provisoire (0) : il sera attribué à l'application du mouvement.",
        E.numero_general == 0,
    ),
    _remark(
        "nom_usage_identique",
        E.nom_usage,
        "Nom d'usage identique au nom de naissance : laissé vide dans le fichier.",
        and_(E.nom_usage != "", E.nom_usage == E.nom_naissance),
    ),
    _remark(
        "nom_usage_repete",
        E.nom_usage,
        "Nom d'usage qui répète le nom de naissance, aux majuscules près : le laisser vide.",
        and_(
            E.nom_usage != "",
            E.nom_usage != E.nom_naissance,
            func.length(E.nom_usage) == func.length(E.nom_naissance),
            without_case(E.nom_usage) == without_case(E.nom_naissance),
        ),
    ),
    _remark(
        "nationalite_francaise",
        E.nationalite,
        "Nationalité française sur une liste complémentaire : vérifier la liste de l'électeur.",
        and_(_COMPLEMENTAIRE, E.nationalite.in_(FRANCAIS)),
        source=f"{MUNICIPAL_LAW} ; {EUROPEAN_LAW}",
    ),
    _remark(
        "departement_obsolete",
        E.departement_naissance,
        "Code de département 20 obsolète : indiquer 2A ou 2B.",
        E.departement_naissance == "20",
        source=GEOGRAPHY,
    ),
    _remark(
        "naissance_incoherente",
        E.departement_naissance,
        "Le département de naissance ne s'accorde pas avec la commune, le pays ou la date : vérifier.",
        _NAISSANCE_INCOHERENTE,
        source=GEOGRAPHY,
    ),
    _remark(
        "commune_naissance_sans_zero",
        E.commune_naissance,
        "Code de la commune de naissance de quatre chiffres : un tableur a retiré le zéro. Reprendre l'export du REU.",
        _ZERO_COMMUNE,
        source=GEOGRAPHY,
    ),
    _remark(
        "code_postal_inconnu",
        _CP,
        "Ce n'est pas un code postal de France : le corriger, ou indiquer le pays de l'adresse.",
        _CODE_POSTAL_INCONNU,
    ),
)
"""The rules that the database checks for each elector separately."""

GARBLED_TEXT = _ruined(
    "caracteres_abimes",
    None,
    "Accents abîmés (« Ã© », « √© » ou « ? » pour « é ») par un mauvais encodage : reprendre l'export du REU.",
)
ALTERED_TEXT = _ruined(
    "valeur_de_tableur",
    None,
    "Erreur, formule, nombre ou marque de vide (« #N/A », « =SOMME(A1) », « 1E+03 », « \\N ») à la place de la "
    "valeur : reprendre l'export du REU.",
)
RUINED_TEXTS = (ALTERED_TEXT, is_altered), (GARBLED_TEXT, is_garbled)
"""Kinds of damaged text, each with its test for one value or several joined values."""
NETTOYE = _remark(
    "caracteres_nettoyes",
    None,
    "Espaces, accents ou caractères que le fichier ne peut pas porter tels quels : nettoyés.",
    source=MINISTRY,
)
SEPARATEUR = _remark(
    "separateur_remplace",
    None,
    "{separator} et le guillemet n'ont pas leur place dans le CSV : {instead} et apostrophe à la place.",
    source=MINISTRY,
)
INEXPRESSIBLE = _blocking(
    "lettre_hors_encodage",
    None,
    "Une lettre n'existe pas dans l'encodage que la plateforme demande ({encoding}) : elle est écrite sans son accent, "
    "ou « ? ». Demander à la préfecture si elle prend l'UTF-8.",
    source=OURS,
)
TOO_LARGE = _blocking(
    "fichier_trop_gros",
    None,
    "Le fichier fait {size} ; la plateforme prend {most} au plus : demander à la préfecture comment le transmettre.",
    source=OURS,
)
TROP_LONG = _remark(
    "valeur_trop_longue",
    None,
    f"Valeur de plus de {LONGEST} caractères, transmise entière : la raccourcir.",
)
TWICE = _ruined(
    "electeur_en_double",
    E.nom_naissance,
    "Même électeur deux fois sur la liste (nom, prénoms, naissance et adresse, accents et tirets mis à part) : n'en "
    "garder qu'un.",
)
HOMONYM = _remark(
    "homonyme",
    E.nom_naissance,
    "Deux électeurs de mêmes nom, prénoms et naissance (accents et tirets mis à part), à deux adresses : vérifier que "
    "ce sont deux personnes.",
)
CANTON_ABSENT = _remark(
    "canton_absent",
    Bureau.code_canton,
    "Code du canton inconnu pour ce bureau : l'indiquer une fois.",
)
CANTON_ELSEWHERE = _remark(
    "canton_incoherent",
    Bureau.code_canton,
    "Le canton n'est pas du département de la commune.",
    source=GEOGRAPHY,
)
CIRCONSCRIPTION_ABSENT = _remark(
    "circonscription_absente",
    Bureau.code_circonscription,
    "Circonscription inconnue pour ce bureau : l'indiquer.",
)
CIRCONSCRIPTION_ELSEWHERE = _remark(
    "circonscription_incoherente",
    Bureau.code_circonscription,
    "Le code de la circonscription n'est pas un numéro du département de la commune : le corriger.",
)
DATE_SWAPPED = _remark(
    "naissance_inversee",
    _DATE,
    "Deux électeurs de mêmes nom, prénoms et lieu, jour et mois de naissance inversés : vérifier que ce sont deux "
    "personnes.",
)
NAMES_SWAPPED = _remark(
    "noms_inverses",
    E.nom_usage,
    "Deux électeurs de mêmes prénoms et naissance, noms de naissance et d'usage inversés : vérifier que ce sont deux "
    "personnes.",
)
INE_TWICE = _ruined(
    "ine_en_double",
    E.nom_naissance,
    "Deux électeurs de la liste ont le même numéro national : reprendre l'export du REU.",
)
NUMERO_TWICE = _remark(
    "numero_en_double",
    E.numero_general,
    "Numéros d'ordre portés par plusieurs électeurs du bureau : {numeros}. Vérifier dans le REU.",
)
ZEROS_LOST = _ruined(
    "zeros_perdus",
    None,
    "Un tableur a retiré les zéros en tête des codes de {electeurs} : reprendre l'export du REU sans l'ouvrir "
    "dans un tableur, et l'importer de nouveau.",
)
NUMERO_GENERAL_ABSENT = _remark(
    "numero_general_absent",
    E.numero_general,
    "{electeurs} sans numéro général (le REU n'en a pas) : la colonne reste vide.",
)
MINEURS = _remark(
    "mineurs_non_exportes",
    _DATE,
    "Laissé de côté, moins de 18 ans à la date du fichier : {mineurs}.",
    source="Code électoral, art. L. 2",
)
REGISTRE_CHANGED = _ruined(
    "registre_modifie",
    None,
    "Le registre a été modifié hors import : {what}. Reprendre l'export du REU.",
)
EXPORT_OLD = _remark(
    "export_ancien",
    None,
    "Cette liste vient de l'export du {day}, qui a plus de deux mois : en télécharger un nouveau d'ELIRE.",
)
LISTE_ABSENT = _remark(
    "liste_absente",
    None,
    "Liste absente du dernier export, du {day} : vérifier si elle existe encore, la vider si personne n'y est plus.",
)
LISTE_ABSORBED = _ruined(
    "liste_absorbee",
    None,
    "L'export du {day} a mis sur une liste de {commune} la plupart des électeurs d'une liste de cette commune. Si elle "
    "est absorbée, vider cette liste (import-reu --empty) ; sinon, reprendre un nouvel export du REU.",
)
