"""The two faces, stored in this package, as ReportLab's fonts; the first subset of each has the codes of cp1252.

A PDF TrueType font has 256 codes. ReportLab assigns a code to each character at its first use, which is slow, and one
more line changes the bytes of all later lines. Here nearly all text has its codes from a fixed code page. ReportLab
assigns a code to any other character, in a later subset.
"""

import codecs
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Self

from reportlab.pdfbase.pdfdoc import PDFDocument
from reportlab.pdfbase.pdfmetrics import registerFont
from reportlab.pdfbase.ttfonts import TTFont

UNIT = 6
"""Widths are counted in units of 6 thousandths of an em, rounded up: the width of a character fits in a byte."""
Weight = Literal["regular", "bold"]

_LOADING = Lock()
_FOLDER = Path(__file__).parent / "fonts"
_FILES = {"regular": "DejaVuSansCondensed.ttf", "bold": "DejaVuSansCondensed-Bold.ttf"}
_REPLACEMENT = "\ufffd"
"""Drawn for a character that the face lacks; the character still extracts as itself."""
_UNUSED = "\ufffe"
_MOVED = {0x7F: "\\", 0x81: "→", 0x8D: "−", 0x8F: "\u202f", 0x90: "(", 0x9D: ")", 0xAD: "\u2011"}
"""Characters at codes where cp1252 has no printed one: the characters that a string must escape, an arrow, a minus
sign, a narrow no-break space and a no-break hyphen."""


def _character_of(code: int) -> str:
    character = bytes((code,)).decode("cp1252", errors="replace")
    is_kept = code >= ord(" ") and character not in {_REPLACEMENT, *_MOVED.values()}
    return _MOVED.get(code, character if is_kept else _UNUSED)


_CHARACTERS = "\0" + "".join(map(_character_of, range(1, 256)))
"""The character of each code; `charmap_build` is fast only if code 0 is U+0000."""
_ENCODING = codecs.charmap_build(_CHARACTERS)
_SUBSET = [0 if it == _UNUSED else ord(it) for it in _CHARACTERS]
_CENTRE = 0.66
"""Apparent height of letters, in ems, used to centre a line: capitals have 0.73 em."""
_AT_MOST = 100
"""Maximum number of characters in one bfchar block. Adobe Technical Note 5014."""
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


def encode(text: str) -> bytes | None:
    """Return the codes of the text in the first subset; None if it lacks a character."""
    try:
        return codecs.charmap_encode(text, "strict", _ENCODING)[0]
    except UnicodeEncodeError:
        return None


class _Drawn(dict[int, Any]):
    """A table of the face by code point that gives U+FFFD for a missing character, never an empty glyph."""

    def __contains__(self, code_point: object) -> bool:
        return True

    def __missing__(self, code_point: int) -> Any:  # noqa: ANN401 — a glyph, or a width
        return super().__getitem__(ord(_REPLACEMENT))

    def get(self, code_point: int, _default: object = None) -> Any:  # noqa: ANN401 — likewise
        return self[code_point]


class Face(TTFont):
    """A face for all documents; ReportLab stores in `state` what each document uses of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.stem, str(path), shapable=False)
        self._lock = Lock()
        self.face.charToGlyph = _Drawn(self.face.charToGlyph)
        self.face.charWidths = _Drawn(self.face.charWidths)
        del self.face.table["name"]  # half of a small subset, and unused inside a PDF file
        self.advances = bytes(map(self.advance, map(chr, _SUBSET)))
        """Widths in units, by code of the first subset."""

    def advance(self, character: str) -> int:
        """Return the width of a character in units, rounded up."""
        return -int(-self.face.getCharWidth(ord(character)) // UNIT)  # type: ignore[no-untyped-call]

    def begin(self, document: PDFDocument) -> None:
        """Assign the codes of the code page to their characters in this document."""
        state: Any = TTFont.State(asciiReadable=False)
        state.assignments = {
            code_point: code for code, code_point in enumerate(_SUBSET) if code_point
        }
        state.subsets = [_SUBSET]
        state.nextCode = len(_SUBSET)
        self.state[document] = state

    def addObjects(self, doc: PDFDocument) -> None:  # noqa: N802 — ReportLab's
        """Add ReportLab's subsets, with maps to Unicode as PDF/UA-1 (7.21.7) and astral characters require."""
        subsets = list(self.state[doc].subsets)
        with (
            self._lock
        ):  # the parser keeps a reading position, and two threads may finish a document at once
            super().addObjects(doc)
        objects: dict[str, Any] = doc.idToObject
        for name, stream in objects.items():
            if name.startswith("toUnicodeCMap:") and name.endswith(f"+{self.face.name.decode()}"):
                lines = [
                    f"<{code:02X}> <{chr(code_point).encode('utf-16-be').hex().upper()}>"
                    for code, code_point in enumerate(subsets.pop(0))
                    if code_point
                ]
                blocks = (
                    lines[start : start + _AT_MOST] for start in range(0, len(lines), _AT_MOST)
                )
                texts = (
                    f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar"
                    for block in blocks
                )
                stream.content = _CMAP.format(blocks="\n".join(texts))


def load_face(weight: Weight) -> Face:
    """Load a face once: ReportLab's canvas finds it by name, so two threads must use the same object."""
    with _LOADING:
        return _load_face(weight)


@cache
def _load_face(weight: Weight) -> Face:
    face = Face(_FOLDER / _FILES[weight])
    registerFont(face)
    return face


def break_lines(text: str, advances: Iterable[int], limit: int, bound: str = "") -> Iterator[slice]:
    """Yield the lines of a text, at most `limit` wide: they end at a space, else after a hyphen, else inside a word.

    The space at the end of a line stays in the line, for screen readers, and is not counted. `bound`: the text without
    the spaces where a line may end only as a last resort.
    """
    ends = list(accumulate(advances))
    start = before = 0
    while (fit := bisect_right(ends, before + limit, start)) < len(ends):
        cut = (bound or text).rfind(" ", start + 1, fit + 1)
        if cut < 0:
            cut = text.rfind("-", start + 1, fit) + 1
            cut = max(cut, text.rfind(" ", start + 1, fit + 1)) or max(fit, start + 1)
        after = cut + 1 if text[cut : cut + 1] == " " else cut
        yield slice(start, after)
        start, before = after, ends[after - 1]
    if start < len(ends) or not ends:
        yield slice(start, len(ends))


@dataclass(frozen=True)
class Style:
    """A face at a size in a document, in points, with the distance between lines."""

    face: Face
    document: PDFDocument
    size: float
    leading: float

    @property
    def ascent(self) -> float:
        """The distance from the top of a line to its baseline, in points."""
        return (self.leading + _CENTRE * self.size) / 2

    def set(self, subset: int = 0) -> str:
        """Return the operator that sets the font."""
        return f"{self.face.getSubsetInternalName(subset, self.document)} {self.size:g} Tf"

    def units(self, points: float) -> int:
        """Convert a width in points to the units of the face."""
        return int(points * 1000 / self.size / UNIT)

    def width(self, text: str) -> float:
        """Return the width of a text in points."""
        return sum(self._advances(text)) * UNIT * self.size / 1000

    def break_text(self, text: str, width: float) -> list[str]:
        """Break a text into lines of this width in points."""
        return [text[line] for line in break_lines(text, self._advances(text), self.units(width))]

    def _advances(self, text: str) -> Iterable[int]:
        codes = encode(text)
        return (
            map(self.face.advance, text) if codes is None else codes.translate(self.face.advances)
        )

    def show(self, text: str) -> str:
        """Return the operators that show a text on one line if this font is set; the font stays set."""
        codes = encode(text)
        if codes is not None:
            return f"({codes.decode('latin-1')})Tj"
        runs = self.face.splitString(text, self.document)
        return " ".join(
            [*(f"{self.set(subset)} <{codes.hex()}>Tj" for subset, codes in runs), self.set()]
        )


@dataclass(frozen=True)
class Styles:
    """The styles of one document: a posted sheet requires 9 points or more, its headings and notes 8.5."""

    titre: Style
    section: Style
    partie: Style
    strong: Style
    body: Style
    heading: Style
    mark: Style
    avis: Style
    note: Style
    letter: Style
    figure: Style
    strong_figure: Style

    @classmethod
    def create(cls, document: PDFDocument) -> Self:
        """Create the styles of a document that has no content yet."""
        regular, bold = load_face("regular"), load_face("bold")
        regular.begin(document)
        bold.begin(document)
        return cls(
            titre=Style(bold, document, 14, 17),
            section=Style(bold, document, 12, 15),
            partie=Style(bold, document, 10, 13),
            strong=Style(bold, document, 9, 11.5),
            body=Style(regular, document, 9, 11),
            heading=Style(regular, document, 8.5, 9.5),
            mark=Style(bold, document, 11, 12),
            avis=Style(regular, document, 9.5, 12),
            note=Style(regular, document, 8.5, 10),
            letter=Style(regular, document, 10, 13.5),
            figure=Style(regular, document, 12, 14),
            strong_figure=Style(bold, document, 12, 14),
        )
