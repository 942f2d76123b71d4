"""The two faces we draw with, vendored in fonts/: widths of characters, and the part of the face that a file needs."""

import copy
from functools import cache
from pathlib import Path
from typing import Literal

from reportlab.pdfbase.ttfonts import TTFontFile

from worker.pdf.encoding import CHARACTERS

UNIT = 6
"""Widths are counted in units of 6 thousandths of an em, rounded up: the widest usual character fits in a byte."""

_FOLDER = Path(__file__).parent / "fonts"
_FILES = {"regular": "DejaVuSansCondensed.ttf", "bold": "DejaVuSansCondensed-Bold.ttf"}
_MISSING = 0xFFFD
"""Drawn for a character that the face lacks; it still extracts as itself."""

Weight = Literal["regular", "bold"]


class Face:
    """A TrueType face; the same for all documents."""

    def __init__(self, path: Path) -> None:
        self._source = _Source(str(path))
        self.name: str = self._source.name.decode("ascii")
        self.ascent: float = self._source.ascent
        self.descent: float = self._source.descent
        self.cap_height: float = self._source.capHeight
        self.stem: float = self._source.stemV
        self.box: list[float] = list(self._source.bbox)
        self.advances = bytes(self.advance(character) for character in CHARACTERS)
        """In units, by code of the usual font."""

    def drawn(self, code_point: int) -> int:
        """The code point whose glyph is drawn for this one."""
        return code_point if code_point in self._source.charToGlyph else _MISSING

    def width(self, code_point: int) -> float:
        """In thousandths of an em."""
        width: float = self._source.charWidths[self.drawn(code_point)]
        return width

    def advance(self, character: str) -> int:
        """The width in units, rounded up."""
        return -int(-self.width(ord(character)) // UNIT)

    def subset(self, code_points: list[int]) -> bytes:
        """A font program with these characters' glyphs, whose codes are their places in the list."""
        source = copy.copy(self._source)  # it keeps a reading position: two threads may draw at once
        program: bytes = source.makeSubset([self.drawn(code_point) for code_point in code_points])
        return program


class _Source(TTFontFile):
    def get_table(self, tag: str) -> bytes:
        """Leave out the names: half of a small subset, and of no use inside a PDF file."""
        if tag == "name":
            raise KeyError(tag)
        table: bytes = super().get_table(tag)  # type: ignore[no-untyped-call]
        return table


@cache
def load_face(weight: Weight) -> Face:
    """Read a face, once."""
    return Face(_FOLDER / _FILES[weight])
