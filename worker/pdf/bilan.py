"""The balance, as an equation: avant + inscriptions + arrivées − radiations − départs = après."""

from common.french import format_number
from worker.domain.tableau import Bilan
from worker.pdf.drawing import GREY
from worker.pdf.frame import LEFT
from worker.pdf.pages import Pages
from worker.pdf.styles import Styles

_TERM = 112.0
_BEFORE, _BETWEEN = 14.0, 2.0


def height_of_bilan(styles: Styles, bilan: Bilan, *, is_commune: bool) -> float:
    """Of the whole, in points."""
    note = 2 * _BETWEEN + styles.small.leading if _has_note(bilan, is_commune=is_commune) else 0
    return _height_of_terms(styles) + note


def draw_bilan(pages: Pages, styles: Styles, bilan: Bilan, *, is_commune: bool, after: float) -> None:
    """Draw the terms side by side, each number under its name; `after`: the height of what must not be torn off it."""
    pages.need(height_of_bilan(styles, bilan, is_commune=is_commune) + after)
    top = pages.y - _BEFORE
    pages.y -= _height_of_terms(styles)
    for index, (name, value) in enumerate(_terms(bilan, is_commune=is_commune)):
        left = LEFT + index * _TERM
        style = styles.strong_figure if value.startswith("=") else styles.figure
        pages.drawing.text(left, top, styles.heading, name, GREY)
        pages.drawing.text(left, pages.y + style.leading, style, value)
    if _has_note(bilan, is_commune=is_commune):
        text = f"Changements de bureau dans la commune, sans effet sur ce total : {format_number(bilan.changements)}"
        lines = [styles.small.show(text)]
        pages.y = pages.drawing.lines(LEFT, pages.y - 2 * _BETWEEN, styles.small, lines, GREY)


def _has_note(bilan: Bilan, *, is_commune: bool) -> bool:
    return is_commune and bilan.changements > 0


def _height_of_terms(styles: Styles) -> float:
    return _BEFORE + styles.heading.leading + _BETWEEN + styles.figure.leading


def _terms(bilan: Bilan, *, is_commune: bool) -> list[tuple[str, str]]:
    terms = [
        ("Électeurs avant", "", bilan.avant),
        ("Inscriptions", "+ ", bilan.inscriptions),
        ("Arrivées d’un autre bureau", "+ ", bilan.arrivees),
        ("Radiations", "− ", bilan.radiations),
        ("Départs vers un autre bureau", "− ", bilan.departs),
        ("Électeurs après", "= ", bilan.apres),
    ]
    if is_commune and not bilan.arrivees and not bilan.departs:
        del terms[4], terms[2]
    return [(name, sign + format_number(number)) for name, sign, number in terms]
