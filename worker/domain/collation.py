"""The order of names on a French list.

First level: letters, without accents nor case; a space, a hyphen and an apostrophe come before every letter, as in the
Unicode collation (CLDR), so that LE BRUN comes before LEBLANC. Then accents: COTE, COTÉ, CÔTE. Then the characters as
they are, so that the order never depends on the order the electors came in.
"""

import unicodedata

_LETTERS = str.maketrans({
    "Æ": "AE", "Œ": "OE", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH", "Ħ": "H", "Ŧ": "T", "Ŀ": "L", "ẞ": "SS",
    "\u0131": "I", "Ə": "E", "-": " ", "'": " ", "’": " ", "\u2010": " ", "\u2011": " ", ".": " ", "\u00a0": " ",
})  # fmt: skip
"""Letters that Unicode does not decompose, and what counts as a space."""

SortKey = tuple[str, str, str]


def base_letters(text: str) -> str:
    """The first level: capital letters without accents, words separated by one space."""
    if text.isascii():
        letters = text.upper().translate(_LETTERS)
    else:
        decomposed = unicodedata.normalize("NFKD", text).upper().translate(_LETTERS)
        letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(letters.split())


def sort_key(text: str) -> SortKey:
    """What a name is sorted by."""
    return base_letters(text), unicodedata.normalize("NFD", text).casefold(), text
