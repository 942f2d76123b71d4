"""The values of a row, each broken into lines that fit its column: where most of the time of a long tableau goes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
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
        self._setters = [_ValueSetter(column, strong if column.is_strong else regular) for column in columns]
        self._columns = [(setter.known.get, setter.set) for setter in self._setters]

    def set(self, values: Sequence[str]) -> Row:
        """Set a row."""
        cells = [get(value) or set_(value) for value, (get, set_) in zip(values, self._columns, strict=True)]
        shown, heights = zip(*cells, strict=True)
        return Row(shown, max(heights))

    def set_lines(self, values: Sequence[str]) -> list[list[bytes]]:
        """Set a row, each value as separate lines."""
        return [setter.set_lines(value) for setter, value in zip(self._setters, values, strict=True)]

    def stack(self, lines: Sequence[Sequence[bytes]]) -> Row:
        """Make a row of separate lines."""
        return Row([_stack(self._leading, value) for value in lines], max(map(len, lines)))


def _stack(leading: float, lines: Sequence[bytes]) -> bytes:
    """Show lines one below the other, and come back to the first."""
    if len(lines) == 1:
        return lines[0]
    return b" T*".join(lines) + b" 0 %g Td" % (leading * (len(lines) - 1))


class _ValueSetter:
    """Sets the values of one column; what was set, or broken, once is known for the next line that has it."""

    def __init__(self, column: Column, style: Style) -> None:
        self._column = column
        self._style = style
        self._width = style.units(column.width)
        self._shapes: dict[bytes, tuple[bytes, list[slice]]] = {}
        self.known: dict[str, tuple[bytes, int]] = {}

    def set(self, value: str) -> tuple[bytes, int]:
        """What shows a value, and how many lines it takes."""
        lines = self.set_lines(value)
        cell = _stack(self._style.leading, lines), len(lines)
        if not self._column.is_number:
            _remember(self.known, value, cell)
        return cell

    def set_lines(self, value: str) -> list[bytes]:
        """What shows each line of a value."""
        try:
            codes = self._style.font.encode(value)
        except UnicodeEncodeError:
            text = self._style.font.readable(value)
            return [self._style.show(line) for line in self._style.break_text(text, self._column.width)]
        shape = codes.translate(SHAPES)
        show, lines = self._shapes.get(shape) or _remember(self._shapes, shape, self._break(shape))
        return [show % codes[line] for line in lines]

    def _break(self, codes: bytes) -> tuple[bytes, list[slice]]:
        """What shows a line, and the lines; the space where one ends stays with it, for who hears the value."""
        advances = codes.translate(self._style.font.face.advances)
        gap = self._width - sum(advances)
        if gap < 0:
            bound = _BOUND.sub(_NO_BREAK, codes)
            starts = [line.start for line in break_marked(codes, bound, advances, self._width, _MARKS)]
            return b"(%b)Tj", [slice(start, end) for start, end in zip_longest(starts, starts[1:])]
        return b"[%d(%%b)]TJ" % (-gap * UNIT) if self._column.is_number else b"(%b)Tj", [slice(None)]


def _remember(known: dict[_Key, _Value], key: _Key, value: _Value) -> _Value:
    """Keep it with the latest ones."""
    if len(known) >= _KNOWN:
        known.clear()
    known[key] = value
    return value
