"""Characters that break spreadsheets, parsers and layouts."""

from worker.demo.cases.case import case

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
