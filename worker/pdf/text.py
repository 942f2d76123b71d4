"""Text set in a style: measured, and broken into lines that fit a width."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import AnyStr

from worker.pdf.encoding import encode
from worker.pdf.face import UNIT
from worker.pdf.font import Font

_CENTRE = 0.66
"""What the eye takes for the height of letters when it looks for the middle of a line: capitals have 0.73 em."""


def break_lines(text: str, advances: Iterable[int], limit: int) -> Iterator[slice]:
    """Where lines filled up to `limit` are: they end at a space, else after a hyphen, else inside a long word."""
    return break_marked(text, text, advances, limit, (" ", "-"))


def break_marked(
    text: AnyStr, bound: AnyStr, advances: Iterable[int], limit: int, marks: tuple[AnyStr, AnyStr]
) -> Iterator[slice]:
    """Likewise; `bound`: the text without the spaces where a line ends only if nothing else helps."""
    space, hyphen = marks
    ends = list(accumulate(advances))
    start = before = 0
    while (fit := bisect_right(ends, before + limit, start)) < len(ends):
        cut = bound.rfind(space, start + 1, fit + 1)
        if cut < 0:
            cut = text.rfind(hyphen, start + 1, fit) + 1
            cut = max(cut, text.rfind(space, start + 1, fit + 1)) or max(fit, start + 1)
        after = cut + 1 if text[cut : cut + 1] == space else cut
        yield slice(start, cut)
        start, before = after, ends[after - 1]
    if start < len(ends) or not ends:
        yield slice(start, len(ends))


@dataclass(frozen=True)
class Style:
    """A font at a size, in points, with the distance between lines."""

    font: Font
    size: float
    leading: float

    @property
    def ascent(self) -> float:
        """From the top of a line to its baseline."""
        return (self.leading + _CENTRE * self.size) / 2

    def to_bytes(self) -> bytes:
        """What sets the font."""
        return f"/{self.font.name} {self.size:g} Tf".encode()

    def units(self, points: float) -> int:
        """A width in the units of the face."""
        return int(points * 1000 / self.size / UNIT)

    def width(self, text: str) -> float:
        """In points."""
        try:
            units = sum(encode(text).translate(self.font.face.advances))
        except UnicodeEncodeError:
            units = sum(map(self.font.face.advance, text))
        return units * UNIT * self.size / 1000

    def break_text(self, text: str, width: float) -> list[str]:
        """The lines of a text in this width."""
        text = self.font.readable(text)
        advances = map(self.font.face.advance, text)
        return [text[line] for line in break_lines(text, advances, self.units(width))]

    def wrap(self, text: str, width: float) -> list[bytes]:
        """What shows each of these lines."""
        return [self.show(line) for line in self.break_text(text, width)]

    def show(self, text: str) -> bytes:
        """What shows a text on one line."""
        return self.font.show(text, self.size)
