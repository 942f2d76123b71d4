"""Every nasty case of real files, each carried by electors who can be told by their name.

The tables are grouped by what is nasty: identity, ages, births, addresses, characters, bureaux, complementary lists.
"""

from datetime import date, timedelta
from typing import NamedTuple

from worker.demo.people import years_before
from worker.demo.reu_format import ReuRow


class Case(NamedTuple):
    """A case. `changes` holds the fields of ReuRow that it sets; several electors may carry the same key."""

    key: str
    meaning: str
    nom: str
    prenoms: str
    changes: dict[str, str]

    def applied_to(self, ordinary: ReuRow) -> ReuRow:
        """The elector of the case, for the rest like the ordinary one."""
        return ordinary._replace(**self.changes)


def case(key: str, meaning: str, who: tuple[str, str, str], **changes: str) -> Case:
    """A case carried by `who` (nom, prénoms, sexe), without a nom d'usage unless the changes give one."""
    nom, prenoms, sexe = who
    return Case(key, meaning, nom, prenoms, {"nom": nom, "prenoms": prenoms, "sexe": sexe, "nom_usage": ""} | changes)


_HERE = {
    "code_naissance": "13004",
    "commune_naissance": "ARLES",
    "departement_naissance": "13",
    "pays_naissance": "FRANCE",
}
_LONG_NOM = "DE LA TOUR-AUX-OIES DU PUITS-SANS-FOND ET DES QUATRE-VENTS-RÉUNIS"
_LONG_PRENOMS = "Marie-Églantine Philippine Bérangère Adélaïde Clotilde Domitille Quitterie Gwenaëlle"

IDENTITY = (
    case(
        "partial_date_year_zeros",
        "year alone, with zeros",
        ("LANTERNE", "Ursule Zélie", "F"),
        date_naissance="00/00/1953",
    ),
    case("partial_date_month", "month and year", ("TOURNESOL", "Anatole", "M"), date_naissance="00/08/1955"),
    case("partial_date_year", "year alone, bare", ("QUINQUET", "Yolande", "F"), date_naissance="1961"),
    case("no_prenom", "no first name", ("SANS-PRÉNOM-CONNU", "", "F")),
    case("no_sexe", "no sexe", ("BROUETTE", "Camille Dominique", "")),
    case("usage_other", "nom d'usage", ("CAPELINE", "Apolline Capucine", "F"), nom_usage="POIRIER-DES-BROUETTES"),
    case("usage_equal", "nom d'usage equal to the birth name", ("SOUPIÈRE", "Léonie", "F"), nom_usage="SOUPIÈRE"),
    case("homonyms", "same name, date and place", ("HORLOGE", "Victorin", "M"), date_naissance="30/04/1965", **_HERE),
    case("homonyms", "same name, date and place", ("HORLOGE", "Victorin", "M"), date_naissance="30/04/1965", **_HERE),
    case("father_and_son", "same name, the father", ("ENCLUME", "Marceau Prosper", "M"), date_naissance="09/06/1948"),
    case("father_and_son", "same name, the son", ("ENCLUME", "Marceau Prosper", "M"), date_naissance="21/09/1979"),
    case("twins", "same nom, date and place", ("GIROUETTE", "Sidonie", "F"), date_naissance="17/07/1990", **_HERE),
    case("twins", "same nom, date and place", ("GIROUETTE", "Violaine", "F"), date_naissance="17/07/1990", **_HERE),
    case("apostrophe_straight", "' and an accented capital", ("D'AUBIGNÉ", "Octave", "M")),
    case("apostrophe_curly", "’ in the nom", ("D’OREILLER", "Pénélope", "F")),
    case("beyond_latin_1", "ő, not in Latin-1", ("Nagyő", "Ildikó", "F")),
    case("beyond_latin_1", "Ș with comma below", ("PARAPLUIE", "Ștefan", "M")),
    case("beyond_latin_1", "œ, not in Latin-1", ("CŒUR-DE-LAITUE", "Théophile", "M")),
    case("long_name", "longest name, for layouts", (_LONG_NOM, _LONG_PRENOMS, "F"), nom_usage="POIRIER-DES-BROUETTES"),
    case("particles", "spaces within the nom", ("DU PRÉ AUX CLOCHES", "Jean-Baptiste Paul-Émile", "M")),
)
"""Names, sexe and dates of birth."""


def age_cases(today: date) -> tuple[Case, ...]:
    """Minors registered in advance, who are no electors yet, and those who have just come of age."""
    majority = years_before(today, 18)
    return (
        _born("minor", "turns 18 tomorrow", ("CERISAIE", "Suzon", "F"), majority + timedelta(1)),
        _born("minor", "turns 18 in three months", ("NOISERAIE", "Ewen", "M"), majority + timedelta(90)),
        _born("minor", "is 17 for a week", ("CIBOULETTE", "Kilian", "M"), years_before(today, 17) - timedelta(7)),
        _born("just_of_age", "is 18 today", ("PRIMEVÈRE", "Maëlys", "F"), majority),
        case(
            "partial_date_of_age",
            "partial date in the year of 18: the oldest possible day makes an adult",
            ("GIBOULÉE", "Aurore", "F"),
            date_naissance=f"00/00/{majority.year}",
        ),
    )


def _born(key: str, meaning: str, who: tuple[str, str, str], day: date) -> Case:
    return case(key, meaning, who, date_naissance=f"{day:%d/%m/%Y}")


_FIELDS = ("code_naissance", "commune_naissance", "departement_naissance", "pays_naissance")


def _born_at(key: str, meaning: str, who: tuple[str, str, str], place: str, day: str | None = None) -> Case:
    changes = dict(zip(_FIELDS, place.split("/"), strict=True))
    return case(key, meaning, who, **changes, **({"date_naissance": day} if day else {}))


BIRTHS = (
    _born_at("ussr", "historic country", ("SARRIETTE", "Octavie", "F"), "99123/KIEV/99/U.R.S.S.", "12/02/1949"),
    _born_at("ussr_no_city", "historic country, city unknown", ("ESTRAGON", "Basile", "M"), "99123//99/U.R.S.S."),
    _born_at("country_capitals", "FRANCE", ("GROSEILLE", "Agathe", "F"), "13055/MARSEILLE/13/FRANCE"),
    _born_at("country_lower", "France", ("FRAMBOISE", "Rosalie", "F"), "13055/Marseille/13/France"),
    _born_at("country_empty", "born in France, no country", ("MIRABELLE", "Clovis", "M"), "84007/AVIGNON/84/"),
    _born_at("abroad_no_country", "99 without a country", ("BIGARREAU", "Joachim", "M"), "99131/NAMUR/99/"),
    _born_at("abroad_no_departement", "no département", ("BRUGNON", "Hilaire", "M"), "99134/CADIX//ESPAGNE"),
    _born_at("corse", "Corse-du-Sud", ("CHÂTAIGNE", "Achille", "M"), "2A004/AJACCIO/2A/FRANCE", "03/05/1981"),
    _born_at("corse", "Haute-Corse", ("MYRTILLE", "Blandine", "F"), "2B033/BASTIA/2B/FRANCE", "19/11/1984"),
    _born_at("corse_20", "code before 1976", ("ARROSOIR", "Célestin", "M"), "20004/AJACCIO/20/FRANCE", "08/08/1952"),
    _born_at("algerie", "département of Alger", ("JASMINERAIE", "Edmond", "M"), "91352/ALGER/91/ALGERIE", "04/01/1947"),
    _born_at("algerie", "département of Oran", ("VERVEINE", "Eugénie", "F"), "92352/ORAN/92/ALGERIE", "15/10/1951"),
    _born_at("algerie", "Constantine", ("PATENÔTRE", "Gontran", "M"), "93352/CONSTANTINE/93/FRANCE", "22/06/1944"),
    _born_at("algerie", "Territoires du Sud", ("OMBRELLE", "Albane", "F"), "94352/GHARDAIA/94/ALGERIE", "01/07/1962"),
    _born_at("algerie_since_1962", "abroad", ("MUSCADE", "Raphaël", "M"), "99352/ORAN/99/ALGERIE", "03/07/1962"),
    _born_at(
        "seine", "vanished département 75", ("CARILLON", "Armelle", "F"), "75066/ST DENIS/75/FRANCE", "14/02/1958"
    ),
    _born_at("seine_et_oise", "vanished 78", ("BALUSTRE", "Pacôme", "M"), "78018/ARGENTEUIL/78/FRANCE", "27/09/1960"),
    _born_at(
        "vanished_commune", "merged in 2000", ("HAMEÇON", "Tanguy", "M"), "50383/OCTEVILLE/50/FRANCE", "02/03/1970"
    ),
    _born_at(
        "arrondissement", "Marseille", ("FARANDOLE", "Suzon", "F"), "13201/MARSEILLE 1ER ARRONDISSEMENT/13/FRANCE"
    ),
    _born_at("arrondissement", "Paris", ("TROTTINETTE", "Éloi", "M"), "75114/PARIS 14E ARRONDISSEMENT/75/FRANCE"),
    _born_at("arrondissement", "Lyon", ("NOUGATINE", "Iseult", "F"), "69381/LYON 1ER ARRONDISSEMENT/69/FRANCE"),
    _born_at("overseas", "La Réunion", ("CALEBASSE", "Prosper", "M"), "97411/SAINT-DENIS/974/FRANCE"),
    _born_at("overseas", "Nouvelle-Calédonie", ("BADIANE", "Faustine", "F"), "98818/NOUMEA/988/FRANCE"),
    _born_at("disagreeing", "commune and département differ", ("BAROMÈTRE", "Félicien", "M"), "13004/ARLES/84/FRANCE"),
)
"""Places of birth: abroad, vanished, overseas, under codes of other times."""


_STREET = {"numero_voie": "3", "voie": "Rue du Cerf-Volant", "lieu_dit": ""}
_NOWHERE = dict.fromkeys(
    ("numero_voie", "voie", "complement_1", "complement_2", "lieu_dit", "code_postal", "ville", "pays"), ""
)


def _abroad(numero: str, voie: str, code_postal: str, ville: str, pays: str) -> dict[str, str]:
    return _NOWHERE | {"numero_voie": numero, "voie": voie, "code_postal": code_postal, "ville": ville, "pays": pays}


_LONDON = _abroad("10", "Whimsy Lane", "SW1A 1AA", "LONDON", "ROYAUME-UNI")
_BRUSSELS = _abroad("7/2", "Rue du Parapluie", "1000", "BRUXELLES", "BELGIQUE")
_HAMLET = _NOWHERE | {"lieu_dit": "Les Granges-Neuves", "code_postal": "13900", "ville": "LIBREVILLE"}

ADDRESSES = (
    case("number_sans", "Sans as a number", ("RÂTELIER", "Mathurin", "M"), **_STREET | {"numero_voie": "Sans"}),
    case("number_zero", "0 as a number", ("MOULINET", "Clotilde", "F"), **_STREET | {"numero_voie": "0"}),
    case("number_bis", "12 BIS", ("TAMBOURIN", "Nathanaël", "M"), **_STREET | {"numero_voie": "12 BIS"}),
    case("number_range", "12-14", ("ÉPUISETTE", "Philippine", "F"), **_STREET | {"numero_voie": "12-14"}),
    case("no_number", "street without a number", ("LUCARNE", "Wilfried", "M"), **_STREET | {"numero_voie": ""}),
    case("address_abroad", "post code with letters", ("LIMONADE", "Adélaïde", "F"), **_LONDON),
    case("address_abroad", "post code of four digits", ("COMPOTE", "Fulbert", "M"), **_BRUSSELS),
    case("town_spelled", "LIBREVILLE", ("TABOURET", "Agathe", "F"), **_STREET, ville="LIBREVILLE"),
    case("town_spelled", "Libreville", ("TABOURET", "Basile", "M"), **_STREET, ville="Libreville"),
    case("town_spelled", "LIBRE VILLE", ("TABOURET", "Célestin", "M"), **_STREET, ville="LIBRE VILLE"),
    case("town_spelled", "LIBRE-VILLE", ("TABOURET", "Domitille", "F"), **_STREET, ville="LIBRE-VILLE"),
    case("address_country", "FRANCE", ("PIMPRENELLE", "Albane", "F"), **_STREET, pays="FRANCE"),
    case("address_country", "France", ("PIMPRENELLE", "Barnabé", "M"), **_STREET, pays="France"),
    case("address_country", "no country", ("PIMPRENELLE", "Clémence", "F"), **_STREET, pays=""),
    case("no_address", "no address at all", ("NACELLE", "Ulysse", "M"), **_NOWHERE),
    case("no_post_code", "no post code", ("MADRIER", "Séverin", "M"), **_STREET, code_postal=""),
    case("leading_zero", "post code with a leading zero", ("GENTIANE", "Xavière", "F"), **_STREET, code_postal="05110"),
    case("hamlet_alone", "lieu-dit and no street", ("TRÉTEAU", "Amaury", "M"), **_HAMLET),
    case("hamlet_and_street", "both", ("GARRIGUE", "Noémie", "F"), **_STREET | {"lieu_dit": "La Borie-Basse"}),
    case(
        "over_long",
        "more than 255 characters",
        ("SOURDINE", "Léopold", "M"),
        **_STREET,
        complement_2="Bât B, " * 40 + "fin",
    ),
)
"""Numbers, towns and countries of addresses."""


_BELL = "Chez l'horloger; sonner deux fois"

CHARACTERS = (
    case("formula", "= at the start", ("CRÉMAILLÈRE", "Ludovic", "M"), complement_1="=cmd|' /C calc'!A0"),
    case("formula", "+ at the start", ("VEILLEUSE", "Tiphaine", "F"), complement_2="+33 6 39 98 00 00"),
    case("formula", "@ at the start", ("MANIVELLE", "Isidore", "M"), lieu_dit="@ Les Mûriers"),
    case("formula", "- at the start", ("PALISSADE", "Quentin", "M"), complement_1="-1er étage"),
    case("nbsp", "no-break spaces", ("PISSENLIT", "Héloïse", "F"), voie="Rue\u00a0du\u202fCadran-Solaire"),
    case("decomposed", "accents apart from their letters", ("PE\u0301PINIE\u0300RE", "Zoe\u0301 Anai\u0308s", "F")),
    case("tabulation", "a TAB", ("MARMITE", "Corentin", "M"), voie="Rue\tdes Abeilles"),
    case(
        "double_spaces",
        "runs of spaces, also at the ends",
        ("SACOCHE", "Marie  Solange", "F"),
        voie=" Rue  de la  Sauge ",
    ),
    case("semicolon", "the separator in a value", ("BOUGEOIR", "Rémi", "M"), complement_1=_BELL),
    case(
        "double_quote",
        "the quote character in a value",
        ("FANFARE", "Mathilde", "F"),
        complement_2='Résidence "Le Grelot"',
    ),
    case("bom", "a byte order mark within a value", ("GRELOT", "Zéphirin\ufeff Yves", "M")),
    case("control", "a control character", ("LISERON", "Dorian\u0007", "M"), voie="Quai\u001b des Cordiers"),
    case("nul", "a NUL, on demand only", ("BOUSSOLE", "Anne-Lise", "F"), complement_1="Appt\u0000 7"),
)
"""Characters that break spreadsheets, parsers and layouts."""


_FIRST = {
    "bureau": "0001",
    "bureau_nom": "HOTEL DE VILLE",
    "circonscription": "13-16",
    "canton": "LIBREVILLE-1",
    "circonscription_nom": "16e circonscription",
}
_SHORT = _FIRST | {"bureau": "1"}
_NO_BUREAU = {"bureau": "", "bureau_nom": ""}
_NO_CIRCONSCRIPTION = _FIRST | {"circonscription": "", "circonscription_nom": ""}
_NOTHING = dict.fromkeys((*_FIRST, "numero_ordre"), "")

BUREAUX_CASES = (
    case("bureau_short", "1 for 0001", ("VIOLINE", "Gaspard", "M"), **_SHORT, numero_ordre="901"),
    case("bureau_short", "1 for 0001", ("VANNERIE", "Ombline", "F"), **_SHORT, numero_ordre="902"),
    case("bureau_short", "1 for 0001", ("TERRINE", "Louis-Marie", "M"), **_SHORT, numero_ordre="903"),
    case("duplicate_order", "the same order number twice", ("DOMINO", "Balthazar", "M"), **_FIRST, numero_ordre="906"),
    case("duplicate_order", "the same order number twice", ("BOBINE", "Joséphine", "F"), **_FIRST, numero_ordre="906"),
    case("no_bureau", "no bureau", ("ÉCLUSE", "Gwenaëlle", "F"), **_NO_BUREAU),
    case(
        "no_canton",
        "no canton, though the bureau has one",
        ("GABARE", "Yves", "M"),
        **_FIRST | {"canton": ""},
        numero_ordre="904",
    ),
    case(
        "no_circonscription",
        "no circonscription",
        ("FICELLE", "Solange", "F"),
        **_NO_CIRCONSCRIPTION,
        numero_ordre="905",
    ),
    case("no_order", "no order number", ("ZINNIA", "Aurélien", "M"), numero_ordre=""),
    case("order_zero", "provisional order number", ("ZESTE", "Jeanne", "F"), numero_ordre="0"),
    case(
        "no_bureau_at_all",
        "neither bureau, canton, circonscription nor number",
        ("YPRÉAU", "Marie-Ange", "F"),
        **_NOTHING,
    ),
    case("liste_capitals", "type of list in capitals", ("PUPITRE", "Valentin", "M"), liste="LISTE PRINCIPALE"),
)
"""Bureaux de vote and order numbers, as they are and as they are missing."""


_CZECH = {
    "nationalite": "Tchèque",
    "pays_naissance": "TCHEQUIE",
    "code_naissance": "99116",
    "commune_naissance": "PLZEŇ",
}
_GERMAN = {"nationalite": "Allemande", "pays_naissance": "ALLEMAGNE", "commune_naissance": "", "code_naissance": ""}

EUROPEAN_LIST = (
    case("beyond_latin_1", "Ł, Š, ť, ý", ("Šťastný", "Łukasz", "M"), **_CZECH),
    case("european_no_city", "city of birth unknown", ("REGENSCHIRM", "Ombline", "F"), **_GERMAN),
    case("european_partial_date", "partial date", ("GIETER", "Gontran", "M"), date_naissance="00/00/1958"),
)
"""Of the European list, in their order; all are on the municipal list too, as are the two below."""

MUNICIPAL_LIST = tuple(
    case("european", "born in Germany", ("REGENSCHIRM", "Ombline", "F"), **_GERMAN | {"commune_naissance": "LÜBECK"})
    if it.key == "european_no_city"
    else it
    for it in EUROPEAN_LIST
)
"""The same people on the municipal list, where nothing is blocking: it can be deposited."""

MUNICIPAL_ONLY = (
    case(
        "french_on_complementary",
        "a Frenchman on a complementary list",
        ("KLOMP", "Joachim", "M"),
        nationalite="Française",
    ),
)

EUROPEAN_ONLY = (case("no_nationality", "no nationality", ("ZAMPOGNA", "Églantine", "F"), nationalite=""),)


def principal_cases(today: date) -> tuple[Case, ...]:
    """The cases of the principal list. `today` settles who is a minor."""
    return (*IDENTITY, *age_cases(today), *BIRTHS, *ADDRESSES, *CHARACTERS, *BUREAUX_CASES)
