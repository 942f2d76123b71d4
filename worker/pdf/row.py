"""The values of a row, each broken into lines that fit its column: where most of the time of a long tableau goes."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from operator import getitem, itemgetter
from typing import NamedTuple, TypeVar

from worker.pdf.font import SHAPES, UNIT, encode
from worker.pdf.text import Style, break_marked

_BOUND = re.compile(rb" (?=%b)|(?<=[0-9]{5}) |(?<= %b) " % (re.escape(encode("(")), encode("à")))
"""Spaces where a line should not end: « MARSEILLE (13) », « 13001 MARSEILLE », « à MARSEILLE »."""
_MARKS = (encode(" "), encode("-"))
_NO_BREAK = encode("\u00a0")
_KNOWN = 4_000
"""Values of a column that are remembered: names, streets and reasons come again; a megabyte or less."""
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Column:
    """A column, with its width in points; numbers are aligned to the right, what names the row is bold or heads it."""

    titre: str
    width: float
    is_number: bool = False
    is_strong: bool = False
    is_row_title: bool = False


class Row(NamedTuple):
    """What shows each value, beginning and ending on its first line; and how many lines the longest value takes."""

    cells: Sequence[bytes]
    height: int


class RowSetter:
    """Sets rows of one table, where the style of each column is set."""

    def __init__(self, columns: Sequence[Column], regular: Style, strong: Style) -> None:
        self._leading = regular.leading
        self._columns = [_Cells(column, strong if column.is_strong else regular) for column in columns]

    def set(self, values: Sequence[str]) -> Row:
        """Set a row, of as many values as there are columns."""
        cells, heights = zip(*map(getitem, self._columns, values), strict=True)
        return Row(cells, max(heights))

    def set_lines(self, values: Sequence[str]) -> list[list[bytes]]:
        """Set a row, each value as separate lines."""
        return [column.set_lines(value) for column, value in zip(self._columns, values, strict=True)]

    def stack(self, lines: Sequence[Sequence[bytes]]) -> Row:
        """Make a row of separate lines."""
        return Row([_stack(self._leading, value) for value in lines], max(map(len, lines)))


def _stack(leading: float, lines: Sequence[bytes]) -> bytes:
    """Show lines one below the other, and come back to the first."""
    if len(lines) == 1:
        return lines[0]
    return b" T*".join(lines) + b" 0 %g Td" % (leading * (len(lines) - 1))


class _Shape(NamedTuple):
    """How values of one shape are shown."""

    line: bytes
    """A format for one line."""
    lines: Sequence[slice]
    whole: bytes
    """A format for all of them."""
    pick: Callable[[bytes], bytes | tuple[bytes, ...]]
    """Takes the lines from the codes of a value."""


class _Cells(dict[str, tuple[bytes, int]]):
    """What shows each value of one column, and how many lines it takes: known again for the next row that has it."""

    def __init__(self, column: Column, style: Style) -> None:
        super().__init__()
        self._column = column
        self._style = style
        self._font = style.font
        self._width = style.units(column.width)
        self._shapes: dict[bytes, _Shape] = {}
        self._on_one_line = self._format([slice(None)], b"(%b)Tj")

    def __missing__(self, value: str) -> tuple[bytes, int]:
        """Set a value."""
        try:
            codes = self._font.encode(value)
        except UnicodeEncodeError:
            lines = self.set_lines(value)
            cell = _stack(self._style.leading, lines), len(lines)
        else:
            shape = self._shape(codes)
            cell = shape.whole % shape.pick(codes), len(shape.lines)
        return cell if self._column.is_number else _remember(self, value, cell)

    def set_lines(self, value: str) -> list[bytes]:
        """What shows each line of a value."""
        try:
            codes = self._font.encode(value)
        except UnicodeEncodeError:
            text = self._font.readable(value)
            return [self._style.show(line) for line in self._style.break_text(text, self._column.width)]
        shape = self._shape(codes)
        return [shape.line % codes[line] for line in shape.lines]

    def _shape(self, codes: bytes) -> _Shape:
        """Texts of one shape are broken at the same places."""
        key = codes.translate(SHAPES)
        return self._shapes.get(key) or _remember(self._shapes, key, self._break(key))

    def _break(self, codes: bytes) -> _Shape:
        """The space where a line ends stays with it, for who hears the value."""
        advances = codes.translate(self._font.face.advances)
        gap = self._width - sum(advances)
        if gap < 0:
            bound = _BOUND.sub(_NO_BREAK, codes)
            starts = [line.start for line in break_marked(codes, bound, advances, self._width, _MARKS)]
            return self._format([slice(start, end) for start, end in zip_longest(starts, starts[1:])], b"(%b)Tj")
        if self._column.is_number:
            return self._format([slice(None)], b"[%d(%%b)]TJ" % (-gap * UNIT))
        return self._on_one_line

    def _format(self, lines: Sequence[slice], line: bytes) -> _Shape:
        return _Shape(line, lines, _stack(self._style.leading, [line] * len(lines)), itemgetter(*lines))


def _remember(known: dict[_Key, _Value], key: _Key, value: _Value) -> _Value:
    """Keep it with the latest ones."""
    if len(known) >= _KNOWN:
        known.clear()
    known[key] = value
    return value
