"""CSV files that people open in a spreadsheet: semicolons, a byte order mark, and no value that becomes a formula.

Not for the official file, which is as the arrêté wants it. Source: OWASP, « CSV Injection ».
"""

import csv
from collections.abc import Iterable
from typing import Protocol

ENCODING = "utf-8-sig"
SEPARATOR = ";"
END_OF_LINE = "\r\n"

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are = + - @ of full width, which some spreadsheets take for the others."""
_MARK = "'"


class Text(Protocol):
    """Where lines are written."""

    def write(self, text: str, /) -> object:
        """Take a piece of a line."""


class SheetWriter:
    """Writes lines; every text among their values is made harmless, a number is a number."""

    def __init__(self, text: Text) -> None:
        self._writer = csv.writer(text, delimiter=SEPARATOR, lineterminator=END_OF_LINE)

    def write(self, values: Iterable[object]) -> None:
        """Write one line."""
        self._writer.writerow([disarm(value) if isinstance(value, str) else value for value in values])


def disarm(value: str) -> str:
    """The value as a spreadsheet takes it for text: behind an apostrophe, if it would begin as a formula."""
    return f"{_MARK}{value}" if _is_dangerous(value) else value


def rearm(value: str) -> str:
    """The value that `disarm` was given."""
    return value[1:] if value.startswith(_MARK) and _is_dangerous(value) else value


def _is_dangerous(value: str) -> bool:
    """Whether it begins as a formula, behind apostrophes too: what was written can so be read back."""
    return value.lstrip(_MARK).startswith(_FORMULA_STARTS)
