"""Bureaux de vote and order numbers, as they are and as they are missing."""

from worker.demo.cases.case import case

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
