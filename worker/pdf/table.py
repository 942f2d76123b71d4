"""A table that goes on from page to page: headings repeated, a row never split unless it is taller than a page."""

from collections.abc import Sequence
from itertools import accumulate

from worker.pdf.book import Book
from worker.pdf.drawing import GREY, RULE, Drawing
from worker.pdf.frame import LEFT, RIGHT
from worker.pdf.pages import Pages
from worker.pdf.row import Column, Row, RowSetter
from worker.pdf.styles import Styles
from worker.pdf.text import Style

GAP = 7.0
"""Between columns."""
_PAD = 2.3
"""Above and below the lines of a row."""
_FORM = "Heading"
_TITRES = 60.0
"""Room for titles: a row that leaves less of a page counts as taller than one."""
_LEAST = 3
"""Lines of such a row that are worth beginning on a page."""


class Table:
    """The columns, and where rows are drawn."""

    below = 0.0
    """Room kept at the bottom of each page for what must stay with the last row."""

    def __init__(self, book: Book, pages: Pages, styles: Styles, columns: Sequence[Column]) -> None:
        self._pages = pages
        self._columns = columns
        self._plain, self._strong = styles.body, styles.strong_body
        self._setter = RowSetter(columns, self._plain, self._strong)
        self._draw_plain = self._template(self._plain)
        self.heading_height = self._add_heading(book, styles.heading)

    def height(self, row: Row) -> float:
        """Of a row, in points."""
        return row.height * self._plain.leading + 2 * _PAD

    def set(self, values: Sequence[str]) -> Row:
        """Set a row, to know its height before it is drawn."""
        return self._setter.set(values)

    def draw_heading(self) -> None:
        """Draw the titles of the columns, and make ready for rows."""
        pages = self._pages
        pages.y -= self.heading_height
        pages.drawing.form(_FORM, 0, pages.y)
        self._use(self._plain)

    def add(self, values: Sequence[str]) -> None:
        """Draw a row, on the next page if need be."""
        row = self._setter.set(values)
        pages = self._pages
        height = row.height * self._plain.leading + 2 * _PAD
        if height > pages.room - self.below:
            if height > pages.full - pages.running_height - self.below - _TITRES:
                row = self._add_tall(self._setter.set_lines(values))
                height = self.height(row)
            else:
                pages.turn()
        self._draw(row, height, self._draw_plain)

    def add_last(self, values: Sequence[str], after: float) -> None:
        """Draw the last row, on the page of what comes after it if one page has room for both."""
        whole = self.height(self.set(values)) + self.below + after
        if self._pages.room < whole <= self._pages.full - self._pages.running_height:
            self._pages.turn()
        self.add(values)

    def add_strong(self, values: Sequence[str], after: float) -> None:
        """Draw the row of totals; `after`: the height of what must not be torn off it."""
        row = RowSetter(self._columns, self._strong, self._strong).set(values)
        height = self.height(row)
        self._pages.need(height + after)
        self._use(self._strong)
        self._draw(row, height, self._template(self._strong))
        self._use(self._plain)

    def _add_tall(self, lines: list[list[bytes]]) -> Row:
        """Fill pages with a row taller than one; what remains of it."""
        pages = self._pages
        while max(map(len, lines)) * self._plain.leading + 2 * _PAD > (room := pages.room - self.below):
            if (fitting := int((room - 2 * _PAD) // self._plain.leading)) >= _LEAST:
                row = self._setter.stack([value[:fitting] for value in lines])
                self._draw(row, self.height(row), self._draw_plain)
                lines = [value[fitting:] or [b""] for value in lines]
            pages.turn()
        return self._setter.stack(lines)

    def _draw(self, row: Row, height: float, template: bytes) -> None:
        pages = self._pages
        baseline = pages.y - _PAD - self._plain.ascent
        pages.y -= height
        pages.drawing.raw(template % (baseline, *row.cells, pages.y, pages.y))

    def _template(self, usual: Style) -> bytes:
        """A row and the rule below it, where the baseline, the cells and the rule are to be filled in."""
        cells = [
            b"%b %%b %b" % (self._strong.to_bytes(), usual.to_bytes())
            if column.is_strong and usual is not self._strong
            else b"%b"
            for column in self._columns
        ]
        steps = [b" %g 0 Td " % (column.width + GAP) for column in self._columns]
        return b"".join(
            (
                b"BT %g %%.1f Td " % LEFT,
                *(part for pair in zip(cells, steps, strict=True) for part in pair),
                b"ET %g %%.1f m %g %%.1f l S\n" % (LEFT, RIGHT),
            )
        )

    def _use(self, style: Style) -> None:
        self._pages.drawing.raw(b"%b %g TL 0 g 0.25 w %g G\n" % (style.to_bytes(), style.leading, RULE))

    def _add_heading(self, book: Book, style: Style) -> float:
        lefts = accumulate((column.width + GAP for column in self._columns), initial=LEFT)
        titles = [style.break_text(column.titre, column.width) for column in self._columns]
        height = max(map(len, titles)) * style.leading + 2 * _PAD
        drawing = Drawing()
        for left, column, lines in zip(lefts, self._columns, titles, strict=False):
            for index, line in enumerate(lines):
                top = _PAD + (len(lines) - index) * style.leading
                if column.is_number:
                    drawing.text_before(left + column.width, top, style, line, GREY)
                else:
                    drawing.text(left, top, style, line, GREY)
        drawing.rule(LEFT, RIGHT, 0, weight=0.6, shade=0)
        book.add_form(_FORM, drawing, height)
        return height
