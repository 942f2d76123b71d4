"""A CSV of a list that was altered, beside the one that was made: which kinds of changes, counted; no value is kept."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import zip_longest
from typing import IO

from producers.web.dropped import Dropped

_LONGEST = 1 << 16
"""Letters of a line; a file without ends of lines is read in pieces too, which count as lines."""

_DATE = re.compile(r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}", re.ASCII)


class Change(StrEnum):
    """What a spreadsheet, or a person, did to a value."""

    ZEROS = "zeros"
    DATE = "date"
    LETTERS = "letters"
    SPACES = "spaces"
    OTHER = "other"


@dataclass
class Comparison:
    """Lines of both files, and how many of them have a value changed in each way; the first one has the number 1."""

    made: int = 0
    found: int = 0
    changed: int = 0
    first: int | None = None
    has_same_titles: bool = True
    changes: Counter[Change] = field(default_factory=Counter)


def compare(made: IO[bytes], file: IO[bytes], dropped: Dropped) -> Comparison:
    """Read both files together, line by line, whatever the encoding and the separator have become."""
    result = Comparison()
    encoding = "utf-8-sig" if dropped.is_utf8 else "cp1252"
    before = _records(made, "utf-8", ";", is_bare=True)
    after = _records(file, encoding, dropped.separator or ";", is_bare=not dropped.has_quotes)
    for number, (old, new) in enumerate(zip_longest(before, after), 1):
        result.made += old is not None
        result.found += new is not None
        if old is None or new is None or old == new:
            continue
        result.changed += 1
        result.first = result.first or number
        if number == 1:
            result.has_same_titles = False
        else:
            pairs = zip_longest(old, new, fillvalue="")
            result.changes.update({_classify(was, now) for was, now in pairs if was != now})
    return result


def _records(file: IO[bytes], encoding: str, separator: str, *, is_bare: bool) -> Iterator[list[str]]:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    lines = iter(partial(text.readline, _LONGEST), "")
    try:
        if is_bare:
            yield from csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
        else:
            yield from csv.reader(lines, delimiter=separator)
    except csv.Error:
        return
    finally:
        text.detach()


def _classify(old: str, new: str) -> Change:
    if old.strip() == new.strip():
        return Change.SPACES
    if old.isdigit() and new.isdigit() and old.lstrip("0") == new.lstrip("0"):
        return Change.ZEROS
    if _DATE.fullmatch(old) and new:
        return Change.DATE
    if len(old) == len(new) and all(a == b or not a.isascii() for a, b in zip(old, new, strict=True)):
        return Change.LETTERS
    return Change.OTHER
