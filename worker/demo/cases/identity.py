"""Names, sexe and dates of birth."""

from worker.demo.cases.case import case

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
