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
"""Space between columns."""
_PAD = 2.3
"""Space above and below the lines of a row."""
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


class TableRow(NamedTuple):
    """The operators that show each value, from its first line back to it, and the line count of the longest value."""

    cells: Sequence[str]
    height: int


class Table:
    """A table with its columns; rows are drawn between `begin` and `end`, which may be called for several parts."""

    below = 0.0
    """Height kept at the bottom of each page for content that must stay with the last row."""

    def __init__(self, pages: Pages, columns: Sequence[TableColumn]) -> None:
        styles = pages.styles
        self._pages = pages
        self._columns = columns
        self._heading, self._regular, self._strong = styles.heading, styles.body, styles.strong
        self._setter = RowSetter(columns, self._regular, self._strong)
        self._titles = [self._heading.break_text(column.titre, column.width) for column in columns]
        self._first_baseline = _PAD + self._regular.ascent
        self._cells = [ROW_TITLE if column.is_row_title else VALUE for column in columns]
        self._tag = TableTag(0)
        self._rows = _Rows(pages.tags, columns, self._regular, self._strong)
        self.heading_height = max(map(len, self._titles)) * self._heading.leading + 2 * _PAD
        with form(pages.canvas, _FORM, self.heading_height):
            self._draw_titles(self.heading_height, Marks())

    def height(self, row: TableRow) -> float:
        """Return the height of a row, in points."""
        return row.height * self._regular.leading + 2 * _PAD

    def set(self, values: Sequence[str]) -> TableRow:
        """Set a row, to know its height before it is drawn."""
        return self._setter.set(values)

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
        row = self._setter.set(values)
        pages = self._pages
        height = row.height * self._regular.leading + 2 * _PAD
        if height > pages.y - BOTTOM - self.below:
            if height > pages.full - pages.running_height - self.below - _TITRES:
                row = self._add_tall(self._setter.set_lines(values))
                height = self.height(row)
            else:
                self._begin_page()
        self._draw(row, height)

    def add_last(self, rows: Sequence[Sequence[str]], after: float) -> None:
        """Draw the last rows, on the page of the content after them if one page has room for all."""
        whole = sum(self.height(self.set(values)) for values in rows) + self.below + after
        if self._pages.room < whole <= self._pages.full - self._pages.running_height:
            self._begin_page()
        for values in rows:
            self.add(values)

    def add_strong(self, values: Sequence[str], after: float) -> None:
        """Draw the row of totals; `after`: the height of the content that must stay on the same page."""
        row = RowSetter(self._columns, self._strong, self._strong).set(values)
        height = self.height(row)
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

    def _add_tall(self, lines: list[list[str]]) -> TableRow:
        """Fill pages with a row taller than one; return its remaining lines."""
        pages = self._pages
        while max(map(len, lines)) * self._regular.leading + 2 * _PAD > (room := pages.room - self.below):
            if (fitting := int((room - 2 * _PAD) // self._regular.leading)) >= _LEAST:
                row = self._setter.stack([value[:fitting] for value in lines])
                self._draw(row, self.height(row))
                lines = [value[fitting:] or [""] for value in lines]
            self._begin_page()
        return self._setter.stack(lines)

    def _draw(self, row: TableRow, height: float) -> None:
        pages = self._pages
        top = pages.y
        pages.y = bottom = top - height
        self._rows.add(row, top - self._first_baseline, bottom)

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

    def add(self, row: TableRow, baseline: float, bottom: float) -> None:
        """Add a row: the baseline of its first line, and the rule below it."""
        mark = self._tags.mark + len(self._rules) * self._across
        self._parts.append(self._row % (baseline, *chain.from_iterable(enumerate(row.cells, mark))))
        self._rules.append(bottom)

    def clear(self) -> None:
        """Remove the rows, before the next page."""
        self._parts, self._rules = [], []

    def getCode(self) -> str:  # noqa: N802 — ReportLab's
        rules = " ".join([f"{LEFT:g} {bottom:.1f} m {RIGHT:g} {bottom:.1f} l" for bottom in self._rules])
        return "\n".join([self._begin, *self._parts, f"/Artifact BMC 0.25 w {RULE:g} G {rules} S EMC Q"])


class RowSetter:
    """Sets rows of one table; each column has its style."""

    def __init__(self, columns: Sequence[TableColumn], regular: Style, strong: Style) -> None:
        self._leading = regular.leading
        self._columns = [(column, strong if column.is_strong else regular) for column in columns]
        self._set = [lru_cache(_KNOWN)(partial(_set_cell, column, style)) for column, style in self._columns]

    def set(self, values: Sequence[str]) -> TableRow:
        """Set a row, with as many values as there are columns."""
        cells, heights = zip(*[set_(value) for set_, value in zip(self._set, values, strict=True)], strict=True)
        return TableRow(cells, max(heights))

    def set_lines(self, values: Sequence[str]) -> list[list[str]]:
        """Set a row, each value as separate lines."""
        return [_set_lines(*column, value) for column, value in zip(self._columns, values, strict=True)]

    def stack(self, lines: Sequence[Sequence[str]]) -> TableRow:
        """Build a row from separate lines."""
        return TableRow([_stack(self._leading, value) for value in lines], max(map(len, lines)))


def _stack(leading: float, lines: Sequence[str]) -> str:
    if len(lines) == 1:
        return lines[0]
    return " T*".join(lines) + f" 0 {leading * (len(lines) - 1):g} Td"


def _set_cell(column: TableColumn, style: Style, value: str) -> tuple[str, int]:
    lines = _set_lines(column, style, value)
    return _stack(style.leading, lines), len(lines)


def _set_lines(column: TableColumn, style: Style, value: str) -> list[str]:
    codes = encode(value)
    if codes is None:
        return [style.show(line) for line in style.break_text(value, column.width)]
    width, advances, text = style.units(column.width), codes.translate(style.face.advances), codes.decode("latin-1")
    gap = width - sum(advances)
    if gap < 0:
        bound = _BOUND.sub("\u00a0", value)
        return [f"({text[line]})Tj" for line in break_lines(value, advances, width, bound)]
    return [f"[{-gap * UNIT}({text})]TJ" if column.is_number else f"({text})Tj"]
