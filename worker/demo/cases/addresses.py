"""Numbers, towns and countries of addresses."""

from worker.demo.cases.case import case

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
