"""Text set in a style: measured, and broken into lines that fit a width; the few styles of a document."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import AnyStr, Self

from reportlab.pdfbase.pdfdoc import PDFDocument

from worker.pdf.font import UNIT, Font, encode, load_face

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

    def set(self) -> bytes:
        """What sets the font."""
        return self.font.set(self.size)

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
        """The lines of a text in this width; the space where one ends stays with it, for who hears the text."""
        text = self.font.readable(text)
        advances = map(self.font.face.advance, text)
        starts = [line.start for line in break_lines(text, advances, self.units(width))]
        return [text[start:end] for start, end in zip_longest(starts, starts[1:])]

    def show(self, text: str) -> bytes:
        """What shows a text on one line."""
        return self.font.show(text, self.size)


@dataclass(frozen=True)
class Styles:
    """Those of one document: a wall asks for 9 points or more, its headings for 8."""

    titre: Style
    section: Style
    partie: Style
    strong: Style
    body: Style
    heading: Style
    mark: Style
    figure: Style
    strong_figure: Style

    @classmethod
    def create(cls, document: PDFDocument) -> Self:
        """Fonts that nothing was written with yet."""
        regular, bold = (Font(load_face(weight), document) for weight in ("regular", "bold"))
        return cls(
            titre=Style(bold, 14, 17),
            section=Style(bold, 12, 15),
            partie=Style(bold, 10, 13),
            strong=Style(bold, 9, 11.5),
            body=Style(regular, 9, 11),
            heading=Style(regular, 8, 9.5),
            mark=Style(bold, 11, 12),
            figure=Style(regular, 12, 14),
            strong_figure=Style(bold, 12, 14),
        )
