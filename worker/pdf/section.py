"""One section: the whole commune, or one bureau; its parts, their totals, its balance."""

from worker.domain.tableau import Partie, Section
from worker.pdf.bilan import draw_bilan, height_of_bilan
from worker.pdf.columns import Values
from worker.pdf.drawing import GREY
from worker.pdf.ending import Ending
from worker.pdf.frame import LEFT, WIDTH
from worker.pdf.pages import Pages
from worker.pdf.styles import Styles
from worker.pdf.table import Table

_BEFORE_TITRE, _AFTER_TITRE = 14.0, 3.0
_TOTAL_PAD = 5.0
_SUITE = " – suite"


class SectionDrawer:
    """Draws the sections of one document."""

    def __init__(self, pages: Pages, styles: Styles, table: Table, values: Values) -> None:
        self._pages = pages
        self._styles = styles
        self._table = table
        self._values = values

    def draw(self, section: Section, ending: Ending, *, is_only: bool) -> None:
        """Draw a section; the only one is that of the commune, whose name every page bears already."""
        pages, styles = self._pages, self._styles
        titre = "" if is_only else section.titre
        pages.bookmark(section.titre)
        if titre:
            pages.y = pages.drawing.lines(LEFT, pages.y, styles.section, styles.section.wrap(titre, WIDTH))
        is_commune = not section.code
        tail = height_of_bilan(styles, section.bilan, is_commune=is_commune) + ending.height
        last = len(section.parties) - 1
        for index, partie in enumerate(section.parties):
            self._run(titre)
            self._draw_partie(partie, titre, tail if index == last else 0, has_neant=not is_commune or is_only)
        self._run(titre)
        draw_bilan(pages, styles, section.bilan, is_commune=is_commune, after=ending.height)
        ending.draw(pages)

    def _draw_partie(self, partie: Partie, titre: str, tail: float, *, has_neant: bool) -> None:
        """Draw a part; `tail`: the height of what its last line must be with, so that nothing is signed without one."""
        pages, styles, table = self._pages, self._styles, self._table
        total = styles.strong.wrap(partie.total, WIDTH)
        table.below = _TOTAL_PAD + len(total) * styles.strong.leading
        lignes = iter(partie.lignes)
        ligne = next(lignes, None)
        if ligne is None:
            self._draw_titre(partie.titre, styles.body.leading + table.below + tail)
            if has_neant:
                pages.y = pages.drawing.lines(LEFT, pages.y, styles.body, styles.body.wrap("Néant", WIDTH))
        else:
            following = next(lignes, None)
            height = table.height(table.set(self._values(ligne))) + table.below
            self._draw_titre(partie.titre, table.heading_height + height + (tail if following is None else 0))
            self._run(titre, partie.titre, has_heading=True)
            table.draw_heading()
            while following is not None:
                table.add(self._values(ligne))
                ligne, following = following, next(lignes, None)
            table.add_last(self._values(ligne), tail)
        pages.y = pages.drawing.lines(LEFT, pages.y - _TOTAL_PAD, styles.strong, total)

    def _draw_titre(self, titre: str, after: float) -> None:
        """Draw a part's title, where there is room for what comes after it."""
        pages, style = self._pages, self._styles.partie
        lines = style.wrap(titre, WIDTH)
        height = len(lines) * style.leading + _AFTER_TITRE
        pages.need(_BEFORE_TITRE + height + after)
        gap = 0 if pages.is_fresh else _BEFORE_TITRE
        pages.y = pages.drawing.lines(LEFT, pages.y - gap, style, lines) - _AFTER_TITRE

    def _run(self, *titres: str, has_heading: bool = False) -> None:
        """From now on, begin each page with these titles, and with those of the columns."""
        pages, style, table = self._pages, self._styles.small, self._table
        text = " · ".join(filter(None, titres))
        lines = style.wrap(text + _SUITE, WIDTH) if text else []

        def draw() -> None:
            if lines:
                pages.y = pages.drawing.lines(LEFT, pages.y, style, lines, GREY) - _AFTER_TITRE
            if has_heading:
                table.draw_heading()

        height = len(lines) * style.leading + _AFTER_TITRE if lines else 0.0
        pages.run(height + (table.heading_height if has_heading else 0.0), draw)
