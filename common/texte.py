"""Cleaning of values for the CSV file: the arrêté defines no quote character, so values must not contain separators.

Source: arrêté du 12 novembre 2013 (NOR INTA1326795A), art. 2: only separator, encoding and end of line.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

JOINT = "¦"
"""Joins values that are examined together: a printable character that occurs in no register."""

_PLANES_OF_FORMATS = (*range(0x80, 0x14000), *range(0x1B000, 0x1E000), *range(0xE0000, 0xE0080))


def _ranges_of(category: str, codes: Iterable[int]) -> str:
    """Return the characters of a category of Unicode among these code points, as ranges of a regular expression."""
    found = [code for code in codes if unicodedata.category(chr(code)) == category]
    firsts = [code for code in found if code - 1 not in found]
    lasts = [code for code in found if code + 1 not in found]
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in zip(firsts, lasts, strict=True))


NOT_ALLOWED = (
    "\\x01-\\x08\\x0e-\\x1f\\x7f-\\x84\\x86-\\x9f"  # Cc, control characters
    f"{_ranges_of('Cf', _PLANES_OF_FORMATS)}"  # format characters: invisible, or they turn the text
    "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"  # Co, private use
    "\ufdd0-\ufdef\ufffe\uffff"  # not characters (XML 1.0, § 2.2)
)
"""Characters removed from values, as the content of a regular expression's class, for Python and PostgreSQL.

PostgreSQL cannot store NUL or surrogates; Python removes them too. A code point that this version of Unicode does not
assign stays: it may be a letter of a later version.
"""
SPACES = "\\t\\n\\x0b\\x0c\\r\\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

_REMOVED = re.compile(f"[{NOT_ALLOWED}\\x00\ud800-\udfff]")
_SPACE_RUN = re.compile(f"[ {SPACES}]+")
_BEGINS = "\u00c2-\u00c5\u00c8\u00e2-\u00e5"
_FOLLOWS_LATIN = "\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc"
_FOLLOWS = (
    f"\u0080-\u009f{_FOLLOWS_LATIN}\u201a\u201c\u201e\u2020-\u2022\u2030\u2039\u203a\u20ac\u2122"
)
_AFTER_A_TILDE = "\u2013\u2014\u2026"
_LETTER = "A-Za-z\u00c0-\u024f"
GARBLED = (
    f"[{_BEGINS}][{_FOLLOWS}]"
    f"|\u00c3[{_AFTER_A_TILDE}]"
    "|\u00ef[\u00bb\u00bf]|\ufffd|[A-Za-z]\u201a"
    f"|[\u221a\u2248\u221e]|[{_LETTER}]\\?|\\?[{_LETTER}]"
)
"""Traces of a wrong encoding: `Ã©` and `Ã‰` (UTF-8 read as Windows-1252), U+FFFD (the reverse), U+201A after a letter
(a code page of DOS), `√©` (UTF-8 read as Mac Roman), `?` beside a letter (no such letter in the written encoding).
Portuguese has `Ã` before a letter or at the end of a word.
"""

_ERRORS = r"#(N/[AD]|REF!|VALEUR!|VALUE!|NOM\?|NAME\?|DIV/0!|NULL?!|NOMBRE!|NUM!|#+)"
_NUMBERS = r"[0-9]+([.,][0-9]+)?[Ee]\+[0-9]+|[0-9]+[.,]0+"
_FORMULA = r"=[A-Z][A-Z.]*\("
_NOTHING = r"\\N|[(](null|NULL)[)]"
ALTERED = rf"(^|{JOINT})({_FORMULA}|({_ERRORS}|{_NUMBERS}|{_NOTHING}|\?+)({JOINT}|$))"
"""One of the values joined by JOINT is a formula, an error or a number of a spreadsheet, or a database's mark of an
empty value: `=SOMME(A1)`, `1E+03`, `\\N`.

A value may start with `=`: `=B2 entrée gauche`. In a name, the sign alone is an error.
"""

NOT_IN_NAMES = "0-9?@+#="
"""Digits and signs that no name contains, as the content of a regular expression's class, or of SQLite's GLOB."""

_USUAL = " !$-')*,-:<>@-[\\]-~\u00a1-\u00ac\u00ae-\u02ff"
_GARBLED_USUAL = f"[{_BEGINS}][{_FOLLOWS_LATIN}]|\u00ef[\u00bb\u00bf]"
SUSPECT = rf"[^{_USUAL}]| [ {JOINT}]|{JOINT} |^ | $|[.,]0|{_GARBLED_USUAL}"
"""A fast filter: only values that match are examined. Text below U+0300 is in NFC (Unicode, UAX #15).

It finds all that UNCLEAN, ALTERED and GARBLED find. An alternative that begins with a letter slows the search in Python
at every letter of every value: signs that are unusual alone, as « ( » and the backslash, are in the first class.
"""

UNCLEAN = f"[{NOT_ALLOWED}{SPACES}]|  |(^|{JOINT}) | ({JOINT}|$)"
"""Matches values that `clean` would change, normalisation apart."""

_LATIN = (*range(0x61, 0x7B), *range(0xE0, 0x180))
SMALL = "".join(
    chr(code) for code in _LATIN if chr(code) != chr(code).upper() and len(chr(code).upper()) == 1
)
CAPITALS = SMALL.upper()
"""Lower-case and upper-case letters of European languages: PostgreSQL's collation `C` knows only those of ASCII."""

_CAPITALS = str.maketrans(SMALL, CAPITALS)
_GARBLED = re.compile(GARBLED)
_ALTERED = re.compile(ALTERED)
_SUSPECT = re.compile(SUSPECT)
_UNCLEAN = re.compile(UNCLEAN.replace("[", "[\\x00\ud800-\udfff", 1))


_MARKS = "".join(
    code
    for code in map(chr, range(0x300, 0x1E950))
    if unicodedata.combining(unicodedata.normalize("NFKD", code)[0])
)
_MAY_MARK = re.compile("[\u0300-\U0010ffff]")
_LONG_RUN = re.compile(
    f"(?=[\u0300-\U0001e94f])([{_MARKS}]{{30}})[{_MARKS}]+"
)  # the range alone is quick to test


def normalize(form: Literal["NFC", "NFD", "NFKD"], text: str) -> str:
    """Normalise; of combining marks in a row 30 are kept (UAX #15, § 13), since Python sorts them in quadratic time."""
    return text if text.isascii() else unicodedata.normalize(form, _LONG_RUN.sub(r"\1", text))


def is_normal(text: str) -> bool:
    """Whether the text is in NFC, and `normalize` keeps all its marks; all text below U+0300 is (UAX #15)."""
    return not _MAY_MARK.search(text) or (
        not _LONG_RUN.search(text) and unicodedata.is_normalized("NFC", text)
    )


def clean(value: str) -> str:
    """Return the value in NFC, without invisible and control characters, with single spaces, and trimmed.

    `clean` is idempotent.
    """
    if value.isascii() and value.isprintable() and "  " not in value and value == value.strip(" "):
        return value
    kept = value if value.isprintable() else _REMOVED.sub("", value)  # the class is slow
    normal = normalize("NFC", kept)
    return normalize("NFC", _SPACE_RUN.sub(" ", normal).strip(" "))


_COMBINING = re.compile("[\u0300-\u036f]+")
_TWO_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ł": "l", "ø": "o", "đ": "d"})


def fold(text: str) -> str:
    """Return a text in lower case, without accents, for a search."""
    if text.isascii():
        return text.lower()
    return _COMBINING.sub("", normalize("NFKD", text).lower()).translate(_TWO_LETTERS)


_CONTROLS = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u202a-\u202e\u2066-\u2069]")


def without_controls(shown: str) -> str:
    """Return a text without what moves a terminal's cursor or turns the direction of writing; lines and tabs stay."""
    return shown if shown.isprintable() else _CONTROLS.sub("", shown)


def is_clean(value: str) -> bool:
    """Whether `clean` leaves the value, or each of several values joined by JOINT, unchanged."""
    return not _UNCLEAN.search(value) and is_normal(value)


def is_suspect(value: str) -> bool:
    """Whether the value, or one of several joined by JOINT, needs a closer examination."""
    return _SUSPECT.search(value) is not None


def is_garbled(value: str) -> bool:
    """Whether an encoding error lost a letter of the value; the original letter cannot be determined."""
    return _GARBLED.search(value) is not None


def is_altered(value: str) -> bool:
    """Whether a spreadsheet has replaced the value, or one of several joined by JOINT."""
    return _ALTERED.search(value) is not None


def without_case(value: str) -> str:
    """Return the value in capitals, accents kept."""
    return value.translate(_CAPITALS)


INSTEAD = {";": ",", ",": ";", "\t": " ", "|": ","}
"""What replaces the separator of a CSV within a value."""


def without_separators(value: str, separator: str = ";") -> str:
    """Replace the separator and `"`, for which the CSV has no escape."""
    return value.replace(separator, INSTEAD[separator]).replace('"', "'")
