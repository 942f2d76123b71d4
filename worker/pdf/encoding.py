"""Which byte stands for a character on a page. The answer never depends on the rest of the document.

A PDF TrueType font has 256 codes. Nearly all text is of one font, whose codes are those of cp1252 but for a few: the
parentheses and the backslash are moved, so that no string of it needs an escape, and what French typography and our
tables want takes places that no text uses. Any other character is in the font of its block of 256 code points, where
its code is the low byte of its code point.
"""

import codecs

SEPARATOR = "\0"
"""Between values that are encoded together; no value holds it."""

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


def _decoding_table() -> str:
    characters = list(bytes(range(256)).decode("cp1252", errors="replace"))
    for code, character in enumerate(characters):
        if code < ord(" ") or character in _NOT_USUAL:
            characters[code] = _UNUSED
    for code, character in _MOVED.items():
        characters[code] = character
    characters[0] = SEPARATOR
    return "".join(characters)


CHARACTERS = _decoding_table()
"""The character of each code; what stands for an unused code is no character."""
_ENCODING = codecs.charmap_build(CHARACTERS)


def encode(text: str) -> bytes:
    """The codes of the text in the usual font.

    Raises:
        UnicodeEncodeError: a character is not in it.
    """
    return codecs.charmap_encode(text, "strict", _ENCODING)[0]


def block_of(character: str) -> int | None:
    """The block whose font has the character; None: it is in the usual font."""
    return None if character in CHARACTERS else ord(character) >> 8


def escape(codes: bytes) -> bytes:
    """The inside of a literal string. PDF Reference 1.4, 3.2.3."""
    return b"".join(_ESCAPES.get(code) or bytes((code,)) for code in codes)
