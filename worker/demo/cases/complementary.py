"""Nasty cases of the complementary lists, in the order in which they stand on them."""

from worker.demo.cases.case import case

_CZECH = {
    "nationalite": "Tchèque",
    "pays_naissance": "TCHEQUIE",
    "code_naissance": "99116",
    "commune_naissance": "PLZEŇ",
}
_GERMAN = {"nationalite": "Allemande", "pays_naissance": "ALLEMAGNE", "commune_naissance": "", "code_naissance": ""}

BOTH_LISTS = (
    case("beyond_latin_1", "Ł, Š, ť, ý", ("Šťastný", "Łukasz", "M"), **_CZECH),
    case("european_no_city", "city of birth unknown", ("REGENSCHIRM", "Ombline", "F"), **_GERMAN),
    case("european_partial_date", "partial date", ("GIETER", "Gontran", "M"), date_naissance="00/00/1958"),
)

MUNICIPAL_ONLY = (
    case(
        "french_on_complementary",
        "a Frenchman on a complementary list",
        ("KLOMP", "Joachim", "M"),
        nationalite="Française",
    ),
)

EUROPEAN_ONLY = (case("no_nationality", "no nationality", ("ZAMPOGNA", "Églantine", "F"), nationalite=""),)
