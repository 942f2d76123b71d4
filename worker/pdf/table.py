"""A table that continues from page to page: it repeats headings, and splits a row only if it is taller than a page.

Breaking the values of a row into lines that fit their column takes most of the time of a long tableau.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate, chain
from typing import Any, NamedTuple

from worker.pdf.document import ROW_TITLE, TITLE, VALUE, Marks, TableTag, Tags
from worker.pdf.font import UNIT, Style, break_lines, encode
from worker.pdf.pages import BOTTOM, GREY, LEFT, RIGHT, RULE, Pages, draw_lines, draw_rule, form, show_form

GAP = 6.0
_PAD = 2.3
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

    def __init__(self, pages: Pages, columns: Sequence[TableColumn]) -> None:
        styles = pages.styles
        self._pages = pages
        self._columns = columns
        self._heading, self._regular, self._strong = styles.heading, styles.body, styles.strong
        self._set = [lru_cache(_KNOWN)(partial(_set, column, self._style_of(column))) for column in columns]
        self._titles = [self._heading.break_text(column.titre, column.width) for column in columns]
        self._first_baseline = _PAD + self._regular.ascent
        self._cells = [ROW_TITLE if column.is_row_title else VALUE for column in columns]
        self._tag = TableTag(0)
        self._rows = _Rows(pages.tags, columns, self._regular, self._strong)
        self.heading_height = max(map(len, self._titles)) * self._heading.leading + 2 * _PAD
        with form(pages.canvas, _FORM, self.heading_height):
            self._draw_titles(self.heading_height, Marks())

    def height(self, values: Sequence[str]) -> float:
        """Return the height of a row before it is drawn, in points."""
        return self._height(self._set_row(values))

    def begin(self) -> None:
        """Draw the titles of the columns, and begin the rows."""
        pages = self._pages
        self._tag = pages.tags.begin_table()
        self._draw_titles(pages.y, pages.tags)
        pages.tags.add_rows(self._tag, [TITLE] * len(self._columns))
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
                row = self._add_tall(row)
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
        row = [_set(column, self._strong, value) for column, value in zip(self._columns, values, strict=True)]
        height = self._height(row)
        if self._pages.lacks(height + after):
            self._begin_page()
        self._flush()
        regular, self._rows = self._rows, _Rows(self._pages.tags, self._columns, self._strong, self._strong)
        self._draw(row, height)
        self._flush()
        self._rows = regular

    def end(self) -> None:
        """Draw the pending rows and end the table."""
        self._flush()
        self._pages.tags.end_table(self._tag)

    def _add_tall(self, row: Row) -> Row:
        """Fill pages with a row taller than one; return its remaining lines."""
        pages = self._pages
        while self._height(row) > (room := pages.room - self.below):
            if (fitting := int((room - 2 * _PAD) // self._regular.leading)) >= _LEAST:
                drawn = [_stack(self._regular, cell.lines[:fitting]) for cell in row]
                self._draw(drawn, self._height(drawn))
                row = [_stack(self._regular, cell.lines[fitting:] or [""]) for cell in row]
            self._begin_page()
        return row

    def _style_of(self, column: TableColumn) -> Style:
        return self._strong if column.is_strong else self._regular

    def _set_row(self, values: Sequence[str]) -> Row:
        return [set_(value) for set_, value in zip(self._set, values, strict=True)]

    def _height(self, row: Row) -> float:
        return max([len(cell.lines) for cell in row]) * self._regular.leading + 2 * _PAD

    def _draw(self, row: Row, height: float) -> None:
        pages = self._pages
        baseline = pages.y - self._first_baseline
        pages.y -= height
        self._rows.add(row, baseline, pages.y)

    def _begin_page(self) -> None:
        self._flush()
        self._pages.begin_next()

    def _flush(self) -> None:
        if count := self._rows.count:
            block: Any = self._rows
            self._pages.canvas.drawText(block)
            self._pages.tags.add_rows(self._tag, self._cells, count)
            self._rows.clear()

    def _draw_titles(self, y: float, tags: Marks) -> None:
        canvas, style = self._pages.canvas, self._heading
        lefts = accumulate((column.width + GAP for column in self._columns), initial=LEFT)
        bottom = y - self.heading_height
        for index, (left, column, lines) in enumerate(zip(lefts, self._columns, self._titles, strict=False)):
            top = bottom + _PAD + len(lines) * style.leading
            with tags.cell("TH", index):
                for line in lines:
                    x = left + column.width - style.width(line.rstrip()) if column.is_number else left
                    top = draw_lines(canvas, x, top, style, [line], GREY)
        with tags.artifact():
            draw_rule(canvas, LEFT, RIGHT, bottom, weight=0.6, shade=0)


class _Rows:
    """The rows of one page, as a block of operators that `Canvas.drawText` accepts like its own text object."""

    def __init__(self, tags: Tags, columns: Sequence[TableColumn], regular: Style, strong: Style) -> None:
        self._tags = tags
        self._begin = f"q {regular.set()} {regular.leading:g} TL 0 g"
        steps = ["", *(f"{column.width + GAP:g} 0 Td " for column in columns)]
        shown = (f"{strong.set()} %s {regular.set()}" if column.is_strong else "%s" for column in columns)
        roles = ("TH" if column.is_row_title else "TD" for column in columns)
        cells = (f"{step}/{role}<</MCID %d>>BDC {it} EMC" for step, role, it in zip(steps, roles, shown, strict=False))
        self._row = f"BT {LEFT:g} %.1f Td {' '.join(cells)} ET"
        self._across = len(columns)
        self._parts: list[str] = []
        self._rules: list[float] = []

    @property
    def count(self) -> int:
        return len(self._rules)

    def add(self, row: Row, baseline: float, bottom: float) -> None:
        """Add a row: the baseline of its first line, and the rule below it."""
        mark = self._tags.mark + len(self._rules) * self._across
        self._parts.append(self._row % (baseline, *chain.from_iterable(enumerate([cell.shown for cell in row], mark))))
        self._rules.append(bottom)

    def clear(self) -> None:
        self._parts, self._rules = [], []

    def getCode(self) -> str:  # noqa: N802 — ReportLab's
        rules = " ".join([f"{LEFT:g} {bottom:.1f} m {RIGHT:g} {bottom:.1f} l" for bottom in self._rules])
        return "\n".join([self._begin, *self._parts, f"/Artifact BMC 0.25 w {RULE:g} G {rules} S EMC Q"])


def _stack(style: Style, lines: Sequence[str]) -> Cell:
    back = f" 0 {style.leading * (len(lines) - 1):g} Td" if len(lines) > 1 else ""
    return Cell(lines, " T*".join(lines) + back)


def _set(column: TableColumn, style: Style, value: str) -> Cell:
    codes = encode(value)
    if codes is None:
        return _stack(style, [style.show(line) for line in style.break_text(value, column.width)])
    width, advances, text = style.units(column.width), codes.translate(style.face.advances), codes.decode("latin-1")
    gap = width - sum(advances)
    if gap < 0:
        lines = break_lines(value, advances, width, _BOUND.sub("\u00a0", value))
        return _stack(style, [f"({text[line]})Tj" for line in lines])
    return _stack(style, [f"[{-gap * UNIT}({text})]TJ" if column.is_number else f"({text})Tj"])
