"""Places of birth: abroad, vanished, overseas, under codes of other times."""

from worker.demo.cases.case import Case, case

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
