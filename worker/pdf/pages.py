"""The pages of a document: their masthead, the current position, the page breaks, and tables over several pages.

Breaking the values of a row into lines that fit their column takes most of the time of a long tableau.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate, chain
from typing import NamedTuple

from reportlab.pdfbase.pdfdoc import xObjectName
from reportlab.pdfgen.canvas import Canvas
from reportlab.pdfgen.textobject import PDFTextObject

from common.files import Sink
from common.french import of_commune
from worker.domain.tableau.model import Tableau
from worker.pdf.document import PAGE_WIDTH, ROW_TITLE, TITLE, VALUE, Tags, as_header, open_canvas
from worker.pdf.font import UNIT, Style, Styles, break_lines, encode

LEFT, TOP, BOTTOM = 30.0, 564.0, 31.0
"""The drawing area: office printers leave out 4 to 6 mm at each edge, the area leaves 10.5 or more."""
RIGHT = PAGE_WIDTH - LEFT
WIDTH = RIGHT - LEFT
BLACK, GREY, RULE = 0.0, 0.33, 0.72
"""Shades of grey: text, secondary text, and hairlines."""

_MASTHEAD, _PAGE_COUNT = "Masthead", "Total"
"""Forms: the masthead of each page but the first, and the number of pages, which is known at the end."""
_ASIDE = 600.0
"""The left edge of the right column of the masthead."""
_GUTTER = 24.0
_CODE_WIDTH = 100.0
_AFTER, _AFTER_MARK = 12.0, 3.0
_DARK_RED = (0.7, 0.1, 0.1)
"""Visible on screen; bold type makes it visible in grey print too."""
_SLACK = 0.01
"""Tolerance for sums of heights, which are not exact."""


def set_lines(  # noqa: PLR0917 — where, how, what
    canvas: Canvas, x: float, y: float, style: Style, lines: Sequence[str], shade: float = BLACK
) -> PDFTextObject:
    """Set lines of text, the first with its top at `y`, for `Canvas.drawText`."""
    text = canvas.beginText(x, y - style.ascent)
    text.setFont(style.face.fontName, style.size, style.leading)
    text.setFillGray(shade)
    for line in lines:
        text.textLine(line)
    return text


def draw_lines(  # noqa: PLR0917 — likewise
    canvas: Canvas, x: float, y: float, style: Style, lines: Sequence[str], shade: float = BLACK
) -> float:
    """Draw lines of text from `y` down, and return the bottom of the last one."""
    canvas.drawText(set_lines(canvas, x, y, style, lines, shade))
    return y - style.leading * len(lines)


def draw_rule(
    canvas: Canvas, left: float, right: float, y: float, *, weight: float = 0.4, shade: float = RULE
) -> None:
    """Draw a horizontal line."""
    canvas.setLineWidth(weight)
    canvas.setStrokeGray(shade)
    canvas.line(left, y, right, y)


class Pages:
    """The current page; `y` goes down from the masthead to the bottom margin."""

    def __init__(self, sink: Sink, tableau: Tableau) -> None:
        title = f"{tableau.titre} – {tableau.nom_commune} – {tableau.liste}"
        self.canvas, document = open_canvas(sink, title, tableau.nom_commune)
        self.styles = Styles.create(document)
        self.tags = Tags(self.canvas, document)
        self.running_height = 0.0
        """The height of the content that is repeated at the top of each page."""
        self._running = ""
        self._bookmarks = 0
        self._tableau = tableau
        self.count = 1
        with self.tags.form(_MASTHEAD, TOP + 2):
            self._draw_masthead()
        self._number_top, self.body_top = (
            self._draw_masthead()
        )  # tagged; the next pages repeat the form
        self.canvas.addLiteral(as_header(self._show_number(1)))
        self.y = self.body_top

    @property
    def room(self) -> float:
        """The height left on the page."""
        return self.y - BOTTOM

    @property
    def is_fresh(self) -> bool:
        """Whether nothing is drawn yet below the masthead."""
        return self.y == self.body_top

    @property
    def full(self) -> float:
        """The height of a page without content."""
        return self.body_top - BOTTOM

    def run(self, height: float, *operators: str) -> None:
        """Repeat these operators, of this height, at the top of each new page: titles of content that continues."""
        self.running_height, self._running = height, "\n".join(map(as_header, operators))

    def begin_next(self) -> None:
        """Finish the page and start the next one."""
        self.canvas.showPage()
        self.count += 1
        self.canvas.addLiteral(
            as_header(f"{show_form(_MASTHEAD, 0, 0)} {self._show_number(self.count)}")
        )
        self.y = self.body_top - self.running_height
        if self._running:
            self.canvas.addLiteral(self._running)

    def need(self, height: float) -> None:
        """Start the next page, unless this one has room for `height` or as much room as a page can have."""
        if self.lacks(height):
            self.begin_next()

    def lacks(self, height: float) -> bool:
        """Return whether the next page would have more room for this height."""
        return self.room + _SLACK < min(height, self.full - self.running_height)

    def bookmark(self, title: str) -> None:
        """Add a bookmark to the current position."""
        key = f"section{self._bookmarks}"
        self._bookmarks += 1
        self.canvas.bookmarkHorizontal(key, 0, self.y)
        self.canvas.addOutlineEntry(title, key)

    def text(self, role: str, style: Style, lines: Sequence[str], shade: float = BLACK) -> None:
        """Draw a title or a paragraph at `y`, and move `y` below it."""
        with self.tags.element(role):
            self.y = draw_lines(self.canvas, LEFT, self.y, style, lines, shade)

    def finish(self) -> int:
        """Write the last page and the content that the pages share; return the number of pages."""
        if self._bookmarks:
            self.canvas.showOutline()
        self.canvas.showPage()
        style = self.styles.body
        with self.tags.form(_PAGE_COUNT, style.leading):
            draw_lines(self.canvas, 0, style.leading, style, [str(self.count)])
        self.tags.finish()
        self.canvas.save()
        return self.count

    def _show_number(self, number: int) -> str:
        style, text, top = self.styles.body, f"page {number} / ", self._number_top
        count = show_form(_PAGE_COUNT, _ASIDE + style.width(text), top - style.leading)
        return f"BT {style.set()} 0 g {_ASIDE:g} {top - style.ascent:.2f} Td {style.show(text)} ET {count}"

    def _draw_masthead(self) -> tuple[float, float]:
        left = self._draw_title()
        number_top = self._draw_aside()
        bottom = min(left, number_top - self.styles.body.leading) - 5
        with self.tags.artifact():
            draw_rule(self.canvas, LEFT, RIGHT, bottom, weight=0.6, shade=0)
        return number_top, bottom - _AFTER

    def _draw_title(self) -> float:
        canvas, styles, tableau, tags = self.canvas, self.styles, self._tableau, self.tags
        width = _ASIDE - LEFT - _GUTTER
        self.y = TOP
        if tableau.departement:
            self.text("P", styles.body, styles.body.break_text(tableau.departement, width))
        lines = styles.partie.break_text(
            f"Commune {of_commune(tableau.nom_commune)}", width - _CODE_WIDTH
        )
        code = f"code INSEE {tableau.code_commune}"
        with tags.element("P"):
            lines[-1] += " "
            y = draw_lines(canvas, LEFT, self.y, styles.partie, lines)
            end = LEFT + styles.partie.width(lines[-1]) + 4
            draw_lines(canvas, end, y + styles.partie.leading - 1, styles.body, [code], GREY)
        main, mark, rest = tableau.titre.partition(" (")
        is_split = mark and styles.titre.width(tableau.titre) > width
        titre = f"{main} " if is_split else tableau.titre
        with tags.element("H1"):
            y = draw_lines(canvas, LEFT, y - 3, styles.titre, styles.titre.break_text(titre, width))
            if is_split:
                y = draw_lines(
                    canvas, LEFT, y, styles.partie, styles.partie.break_text(f"({rest}", width)
                )
        self.y = y - 1
        self.text("P", styles.strong, styles.strong.break_text(tableau.liste, width))
        if tableau.reference_legale:
            lines = styles.body.break_text(tableau.reference_legale, width)
            self.text("P", styles.body, lines, GREY)
        return self.y

    def _draw_aside(self) -> float:
        canvas, styles, tableau, tags = self.canvas, self.styles, self._tableau, self.tags
        width = RIGHT - _ASIDE
        y = TOP
        if tableau.is_provisoire:  # in spaced letters
            y = self._draw_mark(styles.mark, y, ["PROVISOIRE"], spacing=1.8) - _AFTER_MARK
        if tableau.mention:
            lines = styles.strong.break_text(tableau.mention, width)
            y = self._draw_mark(styles.strong, y, lines) - _AFTER_MARK
        y = min(y, TOP - styles.titre.leading - 3)  # at least the height of one of them
        with tags.element("P"):
            y = draw_lines(
                canvas, _ASIDE, y, styles.strong, styles.strong.break_text(tableau.objet, width)
            )
        if tableau.periode:
            with tags.element("P"):
                lines = styles.body.break_text(tableau.periode, width)
                y = draw_lines(canvas, _ASIDE, y, styles.body, lines)
        with tags.element("P"):
            lines = styles.body.break_text(tableau.edite_le, width)
            return draw_lines(canvas, _ASIDE, y - 1, styles.body, lines, GREY)

    def _draw_mark(self, style: Style, y: float, lines: Sequence[str], spacing: float = 0) -> float:
        text = self.canvas.beginText(_ASIDE, y - style.ascent)
        text.setFont(style.face.fontName, style.size, style.leading)
        text.setFillColorRGB(*_DARK_RED)
        text.setCharSpace(spacing)
        for line in lines:
            text.textLine(line)
        text.setCharSpace(0)
        with self.tags.element("P"):
            self.canvas.drawText(text)
        return y - style.leading * len(lines)


def show_form(name: str, x: float, y: float) -> str:
    """Return the operators that show a form with its origin at this place."""
    return f"q 1 0 0 1 {x:.2f} {y:.2f} cm /{xObjectName(name)} Do Q"


GAP = 6.0
_PAD = 2.0
"""Distance of a row's text to the rules above and below it, in points."""
_FORM = "Heading"
_TITRES = 60.0
"""Height reserved for titles: a row that leaves less of a page counts as taller than a page."""
_LEAST = 3
"""Minimum number of lines of such a row at the bottom of a page."""

_BOUND = re.compile(r" (?=\()|(?<=[0-9]{5}) |(?<= à) ")
"""Spaces where a line should not end: « MARSEILLE (13) », « 13001 MARSEILLE », « à MARSEILLE »."""
_KNOWN = 4_000
"""Number of cached values of a column: names, streets and reasons repeat; a megabyte or less."""


@dataclass(frozen=True)
class TableColumn:
    """A column, with its width in points; numbers are aligned right, the row's name is bold or a row title."""

    titre: str
    width: float
    is_number: bool = False
    is_strong: bool = False
    is_row_title: bool = False


class Cell(NamedTuple):
    """The operators that show each line of a value, and those that show all of them and go back to the first line."""

    lines: Sequence[str]
    shown: str


Row = Sequence[Cell]


class Table:
    """A table with its columns; rows are drawn between `begin` and `end`, which may be called for several parts."""

    below = 0.0
    """Height kept at the bottom of each page for content that must stay with the last row."""

    def __init__(self, pages: Pages, columns: Sequence[TableColumn], pad: float = _PAD) -> None:
        styles = pages.styles
        self._pad = pad
        self._pages = pages
        self._columns = columns
        self._heading, self._regular, self._strong = styles.heading, styles.body, styles.strong
        drawn_in = [self._strong if column.is_strong else self._regular for column in columns]
        leading = self._regular.leading
        self._set = [
            lru_cache(_KNOWN)(partial(_set, *it, leading))
            for it in zip(columns, drawn_in, strict=True)
        ]
        self._titles = [self._heading.break_text(column.titre, column.width) for column in columns]
        self._first_baseline = pad + self._regular.ascent
        self._cells = [ROW_TITLE if column.is_row_title else VALUE for column in columns]
        self._begin = f"q {self._regular.set()} {leading:g} TL 0 g"
        self._row = self._form_of_row([column.is_strong for column in columns])
        self._strong_row = self._form_of_row([True] * len(columns))
        self._drawn: list[str] = []
        """The operators of each row that is drawn on the page."""
        self._rules: list[float] = []
        """The height of the rule below each of them."""
        self.heading_height = max(map(len, self._titles)) * self._heading.leading + 2 * _PAD
        with pages.tags.form(_FORM, self.heading_height):
            self._draw_titles(self.heading_height)

    def height(self, values: Sequence[str]) -> float:
        """Return the height of a row before it is drawn, in points."""
        return self._height(self._set_row(values))

    def begin(self) -> None:
        """Draw the titles of the columns, and begin the rows."""
        pages = self._pages
        pages.tags.begin_table()
        self._draw_titles(pages.y)
        pages.tags.add_rows([TITLE] * len(self._columns))
        pages.y -= self.heading_height

    def show_heading(self, y: float) -> str:
        """Return the operators that show the titles from `y` down, on a page where rows continue."""
        return show_form(_FORM, 0, y - self.heading_height)

    def add(self, values: Sequence[str]) -> None:
        """Draw a row, on the next page if it does not fit."""
        row = self._set_row(values)
        pages, height = self._pages, self._height(row)
        if height > pages.y - BOTTOM - self.below:
            if height > pages.full - pages.running_height - self.below - _TITRES:
                # fill pages with a row taller than one, but for its last lines
                while self._height(row) > (room := pages.room - self.below):
                    if (fitting := int((room - 2 * self._pad) // self._regular.leading)) >= _LEAST:
                        drawn = [
                            _stack(self._regular.leading, cell.lines[:fitting]) for cell in row
                        ]
                        self._draw(drawn, self._height(drawn))
                        row = [
                            _stack(self._regular.leading, cell.lines[fitting:] or [""])
                            for cell in row
                        ]
                    self._begin_page()
                height = self._height(row)
            else:
                self._begin_page()
        self._draw(row, height)

    def add_last(self, rows: Sequence[Sequence[str]], after: float) -> None:
        """Draw the last rows, on the page of the content after them if one page has room for all."""
        whole = sum(map(self.height, rows)) + self.below + after
        if self._pages.room < whole <= self._pages.full - self._pages.running_height:
            self._begin_page()
        for values in rows:
            self.add(values)

    def add_strong(self, values: Sequence[str], after: float) -> None:
        """Draw the row of totals; `after`: the height of the content that must stay on the same page."""
        leading = self._regular.leading
        row = [
            _set(it, self._strong, leading, value)
            for it, value in zip(self._columns, values, strict=True)
        ]
        height = self._height(row)
        if self._pages.lacks(height + after):
            self._begin_page()
        self._draw(row, height, self._strong_row)

    def end(self) -> None:
        """Draw the pending rows and end the table."""
        self._flush()
        self._pages.tags.end_table()

    def _set_row(self, values: Sequence[str]) -> Row:
        return [set_(value) for set_, value in zip(self._set, values, strict=True)]

    def _height(self, row: Row) -> float:
        return max([len(cell.lines) for cell in row]) * self._regular.leading + 2 * self._pad

    def _form_of_row(self, are_strong: Sequence[bool]) -> str:
        steps = ["", *(f"{column.width + GAP:g} 0 Td " for column in self._columns)]
        roles = ("TH" if column.is_row_title else "TD" for column in self._columns)
        shown = (
            f"{self._strong.set()} %s {self._regular.set()}" if it else "%s" for it in are_strong
        )
        cells = (
            f"{step}/{role}<</MCID %d>>BDC {it} EMC"
            for step, role, it in zip(steps, roles, shown, strict=False)
        )
        return f"BT {LEFT:g} %.1f Td {' '.join(cells)} ET"

    def _draw(self, row: Row, height: float, form: str = "") -> None:
        mark = self._pages.tags.mark + len(self._rules) * len(self._columns)
        cells = enumerate([cell.shown for cell in row], mark)
        self._drawn.append(
            (form or self._row)
            % (self._pages.y - self._first_baseline, *chain.from_iterable(cells))
        )
        self._pages.y -= height
        self._rules.append(self._pages.y)

    def _begin_page(self) -> None:
        self._flush()
        self._pages.begin_next()

    def _flush(self) -> None:
        if not self._drawn:
            return
        rules = " ".join(
            [f"{LEFT:g} {bottom:.1f} m {RIGHT:g} {bottom:.1f} l" for bottom in self._rules]
        )
        ruled = f"/Artifact BMC 0.25 w {RULE:g} G {rules} S EMC Q"
        self._pages.canvas.addLiteral("\n".join([self._begin, *self._drawn, ruled]))
        self._pages.tags.add_rows(self._cells, len(self._drawn))
        self._drawn, self._rules = [], []

    def _draw_titles(self, y: float) -> None:
        canvas, tags, style = self._pages.canvas, self._pages.tags, self._heading
        lefts = accumulate((column.width + GAP for column in self._columns), initial=LEFT)
        bottom = y - self.heading_height
        for index, (left, column, lines) in enumerate(
            zip(lefts, self._columns, self._titles, strict=False)
        ):
            top = bottom + _PAD + len(lines) * style.leading
            with tags.cell("TH", index):
                for line in lines:
                    x = (
                        left + column.width - style.width(line.rstrip())
                        if column.is_number
                        else left
                    )
                    top = draw_lines(canvas, x, top, style, [line], GREY)
        with tags.artifact():
            draw_rule(canvas, LEFT, RIGHT, bottom, weight=0.6, shade=0)


def _stack(leading: float, lines: Sequence[str]) -> Cell:
    back = f" 0 {leading * (len(lines) - 1):g} Td" if len(lines) > 1 else ""
    return Cell(lines, " T*".join(lines) + back)


def _set(column: TableColumn, style: Style, leading: float, value: str) -> Cell:
    codes = encode(value)
    if codes is None:
        return _stack(leading, [style.show(line) for line in style.break_text(value, column.width)])
    width, advances, text = (
        style.units(column.width),
        codes.translate(style.face.advances),
        codes.decode("latin-1"),
    )
    gap = width - sum(advances)
    if gap < 0:
        lines = break_lines(value, advances, width, _BOUND.sub("\u00a0", value))
        return _stack(leading, [f"({text[line]})Tj" for line in lines])
    return _stack(leading, [f"[{-gap * UNIT}({text})]TJ" if column.is_number else f"({text})Tj"])
