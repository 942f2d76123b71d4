"""The ribbon of days of a poll: where each day is drawn between the closing of the list and the poll."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

_EDGE, _CLOSE = 4.0, 7.0
"""Percent of the width: the margin on each side; the distance at which two circles touch on a telephone."""
_BEFORE = timedelta(days=21)
"""The ribbon begins this long before its first legal day at the earliest (our choice: the days stay apart)."""
_TODAY = "aujourd'hui"


class Mark(NamedTuple):
    """A day of the ribbon, and its circle."""

    day: date
    words: str
    x: float
    """Percent of the width."""
    row: int
    is_today: bool


def place(days: Iterable[tuple[date, str]], today: date) -> list[Mark]:
    """Place legal days and today, in order; days that are close are drawn one below the other.

    Today is at the edge where it is before the ribbon begins, or after its last day.
    """
    legal = sorted(days)
    if not legal:
        return []
    first, last = legal[0][0], legal[-1][0]
    begin, end = max(min(first, today), first - _BEFORE), max(last, min(today, last + _BEFORE))
    length = (end - begin).days or 1
    marks: list[Mark] = []
    ends: list[float] = []  # the last circle of each row
    for day, words in sorted([*legal, (today, _TODAY)]):
        share = (min(max(day, begin), end) - begin).days / length
        x = round(_EDGE + share * (100 - 2 * _EDGE), 1)
        row = next((it for it, before in enumerate(ends) if x - before >= _CLOSE), len(ends))
        ends[row : row + 1] = [x]
        marks.append(Mark(day, words, x, row, words == _TODAY))
    return marks
