"""The values of a row, each broken into lines that fit its column: where most of the time of a long tableau goes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from worker.pdf.encoding import SEPARATOR, encode
from worker.pdf.face import UNIT
from worker.pdf.text import Style, break_marked

_BOUND = re.compile(rb" (?=%b)|(?<=[0-9]{5}) |(?<= %b) " % (re.escape(encode("(")), encode("à")))
"""Spaces where a line should not end: « MARSEILLE (13) », « 13001 MARSEILLE », « à MARSEILLE »."""
_MARKS = (encode(" "), encode("-"))
_NO_BREAK = encode("\u00a0")


@dataclass(frozen=True)
class Column:
    """A column, with its width in points; numbers are aligned to the right."""

    titre: str
    width: float
    is_number: bool = False
    is_strong: bool = False


class Row(NamedTuple):
    """What shows each value, beginning and ending on its first line; and how many lines the longest value takes."""

    cells: list[bytes]
    height: int


class RowSetter:
    """Sets rows of one table, where the style of each column is set."""

    def __init__(self, columns: Sequence[Column], plain: Style, strong: Style) -> None:
        self._encode = plain.font.encode
        self._leading = plain.leading
        self._setters = [_ValueSetter(column, strong if column.is_strong else plain) for column in columns]
        self._columns = [(setter.sure, setter.limit, setter.advances, setter) for setter in self._setters]
        self._strong = [(index, strong.font.note) for index, column in enumerate(columns) if column.is_strong]

    def set(self, values: Sequence[str]) -> Row:
        """Set a row: at one go when every character of it is a usual one."""
        try:
            codes = self._encode(SEPARATOR.join(values)).split(b"\0")
        except UnicodeEncodeError:
            codes = []
        if len(codes) != len(self._setters):
            return self.stack(self.set_lines(values))
        for index, note in self._strong:
            note(codes[index])
        long: list[int] = []
        cells = [
            b"(%b)Tj" % value
            if len(value) <= sure or sum(value.translate(advances)) <= limit
            else self._stack(setter.set_codes(value), long)
            for value, (sure, limit, advances, setter) in zip(codes, self._columns, strict=True)
        ]
        return Row(cells, max(long))

    def set_lines(self, values: Sequence[str]) -> list[list[bytes]]:
        """Set a row, each value as separate lines."""
        return [setter.set(value) for setter, value in zip(self._setters, values, strict=True)]

    def stack(self, lines: Sequence[Sequence[bytes]]) -> Row:
        """Make a row of separate lines."""
        long: list[int] = []
        return Row([self._stack(value, long) for value in lines], max(long))

    def _stack(self, lines: Sequence[bytes], long: list[int]) -> bytes:
        long.append(len(lines))
        if len(lines) == 1:
            return lines[0]
        return b" T*".join(lines) + b" 0 %g Td" % (self._leading * (len(lines) - 1))


class _ValueSetter:
    """Sets the values of one column."""

    def __init__(self, column: Column, style: Style) -> None:
        self._column = column
        self._style = style
        self._width = style.units(column.width)
        self.advances = style.font.face.advances
        self.limit = -1 if column.is_number else self._width
        """A value no wider than that is shown as it is."""
        self.sure = self.limit // max(self.advances)
        """Nor is one of no more characters than that."""

    def set(self, value: str) -> list[bytes]:
        """What shows each line of any text."""
        text = self._style.font.readable(value)
        try:
            return self.set_codes(self._style.font.encode(text))
        except UnicodeEncodeError:
            return self._style.wrap(text, self._column.width)

    def set_codes(self, codes: bytes) -> list[bytes]:
        """What shows each line of text that is all of the usual font."""
        advances = codes.translate(self.advances)
        gap = self._width - sum(advances)
        if gap < 0:
            bound = _BOUND.sub(_NO_BREAK, codes)
            return [b"(%b)Tj" % codes[line] for line in break_marked(codes, bound, advances, self._width, _MARKS)]
        return [b"[%d(%b)]TJ" % (-gap * UNIT, codes) if self._column.is_number else b"(%b)Tj" % codes]
