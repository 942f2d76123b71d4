"""What happened to a file that is no longer the one that was made, in sentences for a clerk."""

from collections.abc import Iterator

from common.french import count_of, format_number, format_size
from producers.web.comparing import Change, Comparison
from producers.web.dropped import COLUMNS, Dropped
from producers.web.reading.exports import AskedFile

_CHANGES = {
    Change.ZEROS: "a perdu ou gagné des zéros au début d'un nombre (code postal, bureau, département)",
    Change.DATE: "a une date écrite autrement",
    Change.LETTERS: "a perdu des lettres accentuées",
    Change.SPACES: "a des espaces en plus ou en moins",
    Change.OTHER: "a une valeur changée",
}
_CHANGES_MANY = {
    Change.ZEROS: "ont perdu ou gagné des zéros au début d'un nombre (code postal, bureau, département)",
    Change.DATE: "ont une date écrite autrement",
    Change.LETTERS: "ont perdu des lettres accentuées",
    Change.SPACES: "ont des espaces en plus ou en moins",
    Change.OTHER: "ont une valeur changée",
}


def explain(dropped: Dropped, made: AskedFile | None, comparison: Comparison | None) -> list[str]:
    """What can be said of a file that nobody recognises; `made` is the one that it should have been, by its name."""
    return [*_form(dropped, made), *_size(dropped, made), *(_content(comparison) if comparison else ())]


def shows_spreadsheet(dropped: Dropped, comparison: Comparison | None) -> bool:
    """Whether a spreadsheet has most likely written it."""
    if is_workbook(dropped):
        return True
    if dropped.extension != "csv":
        return False
    changes = comparison.changes if comparison else {}
    return (
        dropped.has_bom
        or not dropped.is_utf8
        or dropped.has_crlf
        or dropped.separator in (",", "\t")
        or Change.ZEROS in changes
        or Change.DATE in changes
    )


def is_workbook(dropped: Dropped) -> bool:
    """Whether it is a spreadsheet's own format, by its name or its first bytes."""
    return dropped.is_old_workbook or (dropped.is_zip and dropped.extension in {"xlsx", "xlsm", "ods"})


def _form(dropped: Dropped, made: AskedFile | None) -> Iterator[str]:
    if is_workbook(dropped):
        yield "C'est un classeur de tableur, plus un fichier CSV : la plateforme ne le lirait pas."
        return
    if dropped.size == 0:
        yield "Le fichier est vide : le téléchargement ou la copie s'est sans doute interrompu."
        return
    if dropped.extension == "pdf" or (made and made.is_tableau):
        return
    if not dropped.is_utf8:
        yield "Les accents sont écrits comme le fait un tableur (Windows-1252), et non en UTF-8."
    if dropped.has_bom:
        yield "Une marque d'ordre des octets (BOM) a été ajoutée au début : un tableur le fait en enregistrant."
    if dropped.has_crlf:
        yield "Les fins de ligne sont celles de Windows (CR LF), et non celles du module (LF)."
    if dropped.extension == "csv" and dropped.separator not in ("", ";"):
        mark = "la tabulation" if dropped.separator == "\t" else "la virgule"
        yield f"Le séparateur est {mark}, et non le point-virgule : les {COLUMNS} colonnes ne se liraient plus."
    if dropped.extension == "csv" and dropped.has_quotes:
        yield "Des valeurs sont entre guillemets : le fichier du module n'en contient aucun."


def _size(dropped: Dropped, made: AskedFile | None) -> Iterator[str]:
    if made is None or made.size is None or is_workbook(dropped):
        return
    if dropped.size != made.size:
        found, wanted = (f"{format_size(it)} ({format_number(it)} octets)" for it in (dropped.size, made.size))
        yield f"Taille : {found}, au lieu de {wanted}."
        if dropped.size < made.size and not (dropped.has_crlf or dropped.has_bom) and dropped.is_utf8:
            yield "Il est plus court : le téléchargement ou la copie s'est peut-être interrompu."
    if dropped.extension == "csv" and made.format == "csv" and dropped.lines != made.lines_written + 1:
        lines = count_of(dropped.lines, "ligne", "lignes")
        yield f"Il compte {lines}, titres compris, au lieu de {format_number(made.lines_written + 1)}."


def _content(comparison: Comparison) -> Iterator[str]:
    if not comparison.has_same_titles:
        yield "La ligne des titres n'est plus la même : la plateforme exige les noms exacts des colonnes."
    if comparison.made != comparison.found:
        if comparison.first:
            yield f"La première ligne qui diffère est la ligne {format_number(comparison.first)}."
        return
    for change, number in comparison.changes.most_common():
        verb = (_CHANGES_MANY if number > 1 else _CHANGES)[change]
        yield f"{count_of(number, 'ligne', 'lignes')} {verb}."
    if comparison.changes and comparison.first:
        yield f"La première est la ligne {format_number(comparison.first)}."
    if not comparison.changed:
        yield "Les valeurs sont toutes les mêmes : seule la façon de les écrire a changé."
