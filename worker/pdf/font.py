"""A face as one document uses it: strings to show, and which characters the file must embed."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby

from worker.domain.texte import clean
from worker.pdf.encoding import CHARACTERS, block_of, encode, escape
from worker.pdf.face import Face


class Font:
    """One face in one document."""

    def __init__(self, name: str, face: Face) -> None:
        self.name = name
        """Of the usual font, as pages call it."""
        self.face = face
        self._seen = b"\0"
        self._others: defaultdict[int, set[int]] = defaultdict(set)

    def encode(self, text: str) -> bytes:
        """The codes of text that is all of the usual font.

        Raises:
            UnicodeEncodeError: it is not.
        """
        codes = encode(text)
        self.note(codes)
        return codes

    def note(self, codes: bytes) -> None:
        """Embed these characters of the usual font."""
        if unseen := codes.translate(None, self._seen):
            self._seen += bytes(set(unseen))

    def show(self, text: str, size: float) -> bytes:
        """What shows any text, when the usual font is set at this size, and leaves it set."""
        try:
            return b"(%b)Tj" % self.encode(text)
        except UnicodeEncodeError:
            pass
        return b" ".join(self._show_run(block, "".join(run), size) for block, run in groupby(text, key=block_of))

    def readable(self, text: str) -> str:
        """The text, cleaned where it must be."""
        try:
            encode(text)
        except UnicodeEncodeError:
            return clean(text)
        return clean(text) if "\0" in text else text

    def subsets(self) -> Iterator[tuple[str, list[int]]]:
        """Each font to embed: its name, and the code point of each code (0: none)."""
        usual = [0] * 256
        for code in self._seen[1:]:
            usual[code] = ord(CHARACTERS[code])
        yield self.name, usual
        for block, code_points in sorted(self._others.items()):
            others = [0] * 256
            for code_point in code_points:
                others[code_point & 0xFF] = code_point
            yield f"{self.name}{block:X}", others

    def _show_run(self, block: int | None, text: str, size: float) -> bytes:
        if block is None:
            return b"(%b)Tj" % self.encode(text)
        code_points = [ord(character) for character in text]
        self._others[block].update(code_points)
        codes = escape(bytes(code_point & 0xFF for code_point in code_points))
        return f"/{self.name}{block:X} {size:g} Tf(".encode() + codes + f")Tj/{self.name} {size:g} Tf".encode()
