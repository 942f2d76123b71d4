"""The top of every page: whose tableau it is, what it is called, under which article, for which date; and the page."""

from collections.abc import Sequence

from worker.domain.tableau import Tableau
from worker.pdf.book import PAGE_COUNT, Book
from worker.pdf.drawing import GREY, Drawing
from worker.pdf.frame import LEFT, RIGHT, TOP
from worker.pdf.styles import Styles
from worker.pdf.text import Style

_FORM = "Masthead"
_ASIDE = 612.0
"""Where the right column begins."""
_GUTTER = 24.0
_CODE_WIDTH = 90.0
_AFTER, _AFTER_MARK = 15.0, 3.0


class Masthead:
    """Drawn once as a form; each page adds its number."""

    def __init__(self, book: Book, styles: Styles, tableau: Tableau) -> None:
        self._small = styles.small
        drawing = Drawing()
        left = _draw_title(drawing, styles, tableau)
        self._number_top, right = _draw_aside(drawing, styles, tableau)
        bottom = min(left, right) - 5
        drawing.rule(LEFT, RIGHT, bottom, weight=0.6, shade=0)
        book.add_form(_FORM, drawing, TOP + 2)
        self.body_top = bottom - _AFTER

    def draw(self, page: Drawing, number: int) -> None:
        """Draw the top of this page."""
        page.form(_FORM, 0, 0)
        end = page.text(_ASIDE, self._number_top, self._small, f"page {number} / ")
        page.form(PAGE_COUNT, end, self._number_top - self._small.leading)


def _draw_title(drawing: Drawing, styles: Styles, tableau: Tableau) -> float:
    width = _ASIDE - LEFT - _GUTTER
    y = TOP
    for line in styles.strong.break_text(tableau.nom_commune, width - _CODE_WIDTH):
        end = drawing.text(LEFT, y, styles.strong, line)
        y -= styles.strong.leading
    drawing.text(end + 8, y + styles.strong.leading - 1, styles.small, f"code INSEE {tableau.code_commune}", GREY)
    titre, rest = _split_titre(styles.titre, tableau.titre, width)
    y = drawing.lines(LEFT, y - 3, styles.titre, styles.titre.wrap(titre, width))
    if rest:
        y = drawing.lines(LEFT, y, styles.partie, styles.partie.wrap(rest, width))
    y = drawing.lines(LEFT, y - 1, styles.strong, styles.strong.wrap(tableau.liste, width))
    return drawing.lines(LEFT, y, styles.small, styles.small.wrap(tableau.reference_legale, width), GREY)


def _split_titre(style: Style, titre: str, width: float) -> tuple[str, str]:
    """A title too long for one line, and what it says in parentheses, which is set below it, smaller."""
    main, mark, rest = titre.partition(" (")
    return (main, f"({rest}") if mark and style.width(titre) > width else (titre, "")


def _draw_aside(drawing: Drawing, styles: Styles, tableau: Tableau) -> tuple[float, float]:
    width = RIGHT - _ASIDE
    y = _draw_marks(drawing, styles, tableau, width)
    y = drawing.lines(_ASIDE, y, styles.strong, styles.strong.wrap(tableau.objet, width))
    y = drawing.lines(_ASIDE, y - 1, styles.small, styles.small.wrap(tableau.edite_le, width), GREY)
    return y, y - styles.small.leading


def _draw_marks(drawing: Drawing, styles: Styles, tableau: Tableau, width: float) -> float:
    """PROVISOIRE, its letters apart, and for whom the print is; the room of one is left where there is none."""
    y = TOP
    if tableau.is_provisoire:
        y = _draw_mark(drawing, styles.mark, y, ["PROVISOIRE"], spacing=1.8) - _AFTER_MARK
    if tableau.mention:
        y = _draw_mark(drawing, styles.strong, y, styles.strong.break_text(tableau.mention, width)) - _AFTER_MARK
    return min(y, TOP - styles.titre.leading - 3)


def _draw_mark(drawing: Drawing, style: Style, y: float, lines: Sequence[str], spacing: float = 0) -> float:
    """Dark red on screen, bold: seen on a grey print too."""
    for line in lines:
        drawing.raw(
            b"BT %b %g Tc 0.7 0.1 0.1 rg %.2f %.2f Td %b 0 Tc ET\n"
            % (style.to_bytes(), spacing, _ASIDE, y - style.ascent, style.show(line))
        )
        y -= style.leading
    return y
