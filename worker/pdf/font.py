"""The two faces, vendored beside: ReportLab's fonts, where the characters of nearly all text have the same byte always.

A PDF TrueType font has 256 codes. ReportLab gives codes as characters come, so each one would have to be looked up, and
a line more would change the bytes of all that follow. Here the first subset of each face has its codes before anything
is written: those of cp1252 but for a few, in both faces. The parentheses and the backslash are moved, so that no string
of it needs an escape, and what French typography and our tables want takes places that no text uses. Any other
character gets its code from ReportLab, in the subsets after it.
"""

import codecs
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, zip_longest
from pathlib import Path
from threading import Lock
from typing import Any, AnyStr, Literal, Self

from reportlab.pdfbase.pdfdoc import PDFDocument
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont

from common.texte import clean

UNIT = 6
"""Widths are counted in units of 6 thousandths of an em, rounded up: the widest usual character fits in a byte."""
Weight = Literal["regular", "bold"]

_LOADING = Lock()
_FOLDER = Path(__file__).parent / "fonts"
_FILES = {"regular": "DejaVuSansCondensed.ttf", "bold": "DejaVuSansCondensed-Bold.ttf"}
_MISSING = 0xFFFD
"""Drawn for a character that the face lacks; it still extracts as itself."""
_MOVED = {
    0x7F: "\\",
    0x81: "→",
    0x8D: "−",
    0x8F: "\u202f",  # narrow no-break space
    0x90: "(",
    0x9D: ")",
    0xAD: "\u2011",  # no-break hyphen
}
_UNUSED = "\ufffe"
_NOT_USUAL = "()\\‰\ufffd"
"""Moved, or wider than all others, or not in cp1252."""
_ESCAPES = {code: b"\\%03o" % code for code in b"\\()\r\n"}
_AT_MOST = 100
"""Characters in one bfchar block. Adobe Technical Note 5014."""
_CMAP = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo <</Registry(Adobe)/Ordering(UCS)/Supplement 0>> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<00> <FF>
endcodespacerange
{blocks}
endcmap
CMapName currentdict /CMap defineresource pop
end
end"""


def _decoding_table() -> str:
    characters = list(bytes(range(256)).decode("cp1252", errors="replace"))
    for code, character in enumerate(characters):
        if code < ord(" ") or character in _NOT_USUAL:
            characters[code] = _UNUSED
    for code, character in _MOVED.items():
        characters[code] = character
    return "".join(characters)


CHARACTERS = _decoding_table()
"""The character of each usual code; what stands for an unused code is no character."""
_CODES = {ord(character): code for code, character in enumerate(CHARACTERS) if character != _UNUSED}
_NOTHING = "\0"
_ENCODING = codecs.charmap_build(_NOTHING + CHARACTERS[1:])
"""The same, ten times as fast; for that, Python wants code 0 to be U+0000, and U+FFFE stands for an unused code."""


def encode(text: str) -> bytes:
    """The usual codes of the text.

    Raises:
        UnicodeEncodeError: a character has none.
    """
    codes = codecs.charmap_encode(text, "strict", _ENCODING)[0]
    if 0 in codes:
        place = text.index(_NOTHING)
        raise UnicodeEncodeError("usual", text, place, place + 1, "no character")
    return codes


def escape(codes: bytes) -> bytes:
    """The inside of a literal string. PDF Reference 1.4, 3.2.3."""
    return b"".join(_ESCAPES.get(code) or bytes((code,)) for code in codes)


class _Drawn(dict[int, Any]):
    """A table of the face by code point, where a character that is missing is drawn as U+FFFD, never as nothing."""

    def __contains__(self, code_point: object) -> bool:
        return True

    def __missing__(self, code_point: int) -> Any:  # noqa: ANN401 — a glyph, or a width
        return super().__getitem__(_MISSING)

    def get(self, code_point: int, _default: object = None) -> Any:  # noqa: ANN401 — likewise
        return self[code_point]


class _State(TTFont.State):
    """What one of our documents uses of a face."""


class Face(TTFont):
    """A face, for all documents; what each document uses of it is in its `state`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.stem, str(path), shapable=False)
        self._lock = Lock()
        self.face.charToGlyph = _Drawn(self.face.charToGlyph)
        self.face.charWidths = _Drawn(self.face.charWidths)
        del self.face.table["name"]  # half of a small subset, and of no use inside a PDF file
        self.advances = bytes(self.advance(character) for character in CHARACTERS)
        """In units, by usual code."""

    def advance(self, character: str) -> int:
        """The width in units, rounded up."""
        return -int(-self.face.getCharWidth(ord(character)) // UNIT)  # type: ignore[no-untyped-call]

    def begin(self, document: PDFDocument) -> str:
        """Give the usual characters their codes in this document; the name of their subset."""
        state: Any = _State(asciiReadable=False)
        state.assignments = dict(_CODES)
        state.subsets = [[0] * 256]
        state.nextCode = 256
        self.state[document] = state
        return self.getSubsetInternalName(0, document)[1:]

    def splitString(  # noqa: N802 — ReportLab's
        self, text: str | bytes, doc: PDFDocument, encoding: str = "utf-8"
    ) -> list[tuple[int, bytes]]:
        """ReportLab's, and embed what it shows."""
        runs: list[tuple[int, bytes]] = super().splitString(text, doc, encoding)
        if isinstance(self.state[doc], _State):
            for subset, codes in runs:
                if not subset:
                    self.embed(codes, doc)
        return runs

    def embed(self, codes: bytes, document: PDFDocument) -> None:
        """Embed these usual characters."""
        usual = self.state[document].subsets[0]
        for code in codes:
            usual[code] = ord(CHARACTERS[code])

    def addObjects(self, doc: PDFDocument) -> None:  # noqa: N802 — ReportLab's
        """ReportLab's subsets; which character each code is, as PDF/UA-1 (7.21.7) and astral characters want it."""
        subsets = self.state[doc].subsets
        with self._lock:  # the parser keeps a reading position, and two threads may end a document at once
            super().addObjects(doc)
        objects: dict[str, Any] = doc.idToObject
        for name, stream in objects.items():
            if name.startswith("toUnicodeCMap:") and name.endswith(f"+{self.face.name.decode()}"):
                stream.content = _to_unicode(subsets.pop(0))


def _to_unicode(code_points: list[int]) -> str:
    lines = [
        f"<{code:02X}> <{chr(code_point).encode('utf-16-be').hex().upper()}>"
        for code, code_point in enumerate(code_points)
        if code_point
    ]
    blocks = (lines[start : start + _AT_MOST] for start in range(0, len(lines), _AT_MOST))
    texts = (f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
    return _CMAP.format(blocks="\n".join(texts))


def load_face(weight: Weight) -> Face:
    """Read a face, once: ReportLab's canvas finds it by its name, so two threads must have the same."""
    with _LOADING:
        return _load_face(weight)


@cache
def _load_face(weight: Weight) -> Face:
    face = Face(_FOLDER / _FILES[weight])
    registerFont(face)
    return face


class Font:
    """A face as one document uses it."""

    def __init__(self, face: Face, document: PDFDocument) -> None:
        self.face = face
        self.name = face.fontName
        """As ReportLab's canvas calls it."""
        self._document = document
        self._usual = face.begin(document)
        self._seen = b""

    def set(self, size: float) -> bytes:
        """What sets the font, ready for usual codes."""
        return f"/{self._usual} {size:g} Tf".encode()

    def encode(self, text: str) -> bytes:
        """The codes of usual text.

        Raises:
            UnicodeEncodeError: it is not.
        """
        codes = encode(text)
        self.note(codes)
        return codes

    def note(self, codes: bytes) -> None:
        """Embed these usual characters."""
        if unseen := codes.translate(None, self._seen):
            self._seen += bytes(set(unseen))
            self.face.embed(unseen, self._document)

    def show(self, text: str, size: float) -> bytes:
        """What shows any text, when the font is set at this size, and leaves it set."""
        try:
            return b"(%b)Tj" % self.encode(text)
        except UnicodeEncodeError:
            return b" ".join(self._show_runs(text, size))

    def readable(self, text: str) -> str:
        """The text, cleaned where it must be."""
        try:
            encode(text)
        except UnicodeEncodeError:
            return clean(text)
        return text

    def _show_runs(self, text: str, size: float) -> Iterator[bytes]:
        for subset, codes in self.face.splitString(text, self._document):
            name = self.face.getSubsetInternalName(subset, self._document)
            yield f"{name} {size:g} Tf(".encode() + escape(codes) + b")Tj"
        yield self.set(size)


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
