"""Values as the file needs them: what the arrêté has no quote character for must not be in a value.

Source: arrêté du 12 novembre 2013 (NOR INTA1326795A), art. 2: separator, encoding and end of line, nothing else.
"""

import re
import unicodedata

JOINT = "¦"
"""Joins values that are examined together: a printed character that no register holds."""

NOT_ALLOWED = (
    "\\x01-\\x08\\x0e-\\x1f\\x7f-\\x84\\x86-\\x9f"  # control characters
    "\u00ad\u200b-\u200f\u2060\ufeff"  # invisible: soft hyphen, zero-width, byte order mark
    "\ufdd0-\ufdef\ufffe\uffff"  # not characters (XML 1.0, § 2.2)
)
"""Characters removed from values, as the inside of a regular expression's class, for Python and for PostgreSQL.

PostgreSQL cannot hold NUL or surrogates; Python removes them too.
"""
SPACES = "\\t\\n\\x0b\\x0c\\r\\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

_REMOVED = re.compile(f"[{NOT_ALLOWED}\\x00\ud800-\udfff]")
_SPACE_RUN = re.compile(f"[ {SPACES}]+")
_FOLLOWS = (
    "\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc"
    "\u201a\u201c\u201e\u2020-\u2022\u2030\u2039\u203a\u20ac\u2122"
)
_AFTER_A_TILDE = "\u2013\u2014\u2026"
_LETTER = "A-Za-z\u00c0-\u024f"
GARBLED = (
    f"[\u00c2-\u00c5\u00c8\u00e2-\u00e5][{_FOLLOWS}]"
    f"|\u00c3[{_AFTER_A_TILDE}]"
    "|\u00ef[\u00bb\u00bf]|\ufffd|[A-Za-z]\u201a"
    f"|[\u221a\u2248\u221e]|[{_LETTER}]\\?|\\?[{_LETTER}]"
)
"""What is left of a letter that was read in the wrong encoding: `Ã©` and `Ã‰` (UTF-8 read as Windows-1252), U+FFFD (the
contrary), U+201A after a letter (a code page of DOS), `√©` (UTF-8 read as Mac Roman), `?` beside a letter (no such
letter in the encoding that was written). Portuguese has `Ã` before a letter or at the end of a word.
"""

_ERRORS = r"#(N/[AD]|REF!|VALEUR!|VALUE!|NOM\?|NAME\?|DIV/0!|NULL?!|NOMBRE!|NUM!|#+)"
_NUMBERS = r"[0-9]+([.,][0-9]+)?[Ee]\+[0-9]+|[0-9]+[.,]0+"
_FORMULA = r"=[A-Z][A-Z.]*\("
ALTERED = rf"(^|{JOINT})({_FORMULA}|({_ERRORS}|{_NUMBERS}|\?+)({JOINT}|$))"
"""One of the values joined by JOINT is a formula, an error or a number of a spreadsheet: `=SOMME(A1)`, `1E+03`.

A value that only begins with `=` is real: `=B2 entrée gauche`. In a name the sign is wrong by itself.
"""

NOT_IN_NAMES = "0-9?@+#="
"""Digits and signs that no name has, as the inside of a class of a regular expression, or of SQLite's GLOB."""

_USUAL = " !$-*,-:<>@-~\u00a1-\u00ac\u00ae-\u02ff"
SUSPECT = f"[^{_USUAL}]|  |(^|{JOINT}) | ({JOINT}|$)|[.,]0|{GARBLED}"
"""A quick first look. Text below U+0300 is in NFC (Unicode, UAX #15): only what matches is examined further."""

UNCLEAN = f"[{NOT_ALLOWED}{SPACES}]|  |(^|{JOINT}) | ({JOINT}|$)"
"""What `clean` would change, besides the normal form."""

_LATIN = (*range(0x61, 0x7B), *range(0xE0, 0x180))
SMALL = "".join(chr(code) for code in _LATIN if chr(code) != chr(code).upper() and len(chr(code).upper()) == 1)
CAPITALS = SMALL.upper()
"""The letters of European languages, and their capitals: PostgreSQL knows none but ASCII's in the collation `C`."""

_CAPITALS = str.maketrans(SMALL, CAPITALS)
_GARBLED = re.compile(GARBLED)
_ALTERED = re.compile(ALTERED)
_UNUSUAL = re.compile(f"[^{_USUAL}]")
_LEADS = re.compile("[\u00c2-\u00c5\u00c8\u00e2-\u00e5\u00ef]")
_UNCLEAN = re.compile(UNCLEAN.replace("[", "[\\x00\ud800-\udfff", 1))


def clean(value: str) -> str:
    """The value in NFC, invisible and control characters removed, every run of white space one space, trimmed.

    Cleaning a clean value changes nothing.
    """
    if (
        value.isascii()
        and value.isprintable()
        and "  " not in value
        and not value.startswith(" ")
        and not value.endswith(" ")
    ):
        return value
    normal = unicodedata.normalize("NFC", _REMOVED.sub("", value))
    return unicodedata.normalize("NFC", _SPACE_RUN.sub(" ", normal).strip(" "))


def is_clean(value: str) -> bool:
    """Whether `clean` would leave the value, or each of several values joined by JOINT, as it is."""
    return not _UNCLEAN.search(value) and unicodedata.is_normalized("NFC", value)


def is_suspect(value: str) -> bool:
    """Whether the value, or one of several joined by JOINT, deserves a closer look."""
    return (  # what SUSPECT says, in half the time
        _UNUSUAL.search(value) is not None
        or "  " in value
        or f"{JOINT} " in value
        or f" {JOINT}" in value
        or value[:1] == " "
        or value[-1:] == " "
        or (_LEADS.search(value) is not None and _GARBLED.search(value) is not None)
        or ".0" in value
        or ",0" in value
    )


def is_garbled(value: str) -> bool:
    """Whether a letter of the value was lost by an encoding; nobody can tell for sure which one it was."""
    return _GARBLED.search(value) is not None


def is_altered(value: str) -> bool:
    """Whether the value, or one of several joined by JOINT, is what a spreadsheet wrote in its place."""
    return _ALTERED.search(value) is not None


def without_case(value: str) -> str:
    """The value in capitals, accents kept."""
    return value.translate(_CAPITALS)


def without_separators(value: str) -> str:
    """The value for the CSV file: `;` and `"` have no escape there, a comma and an apostrophe stand for them."""
    return value.replace(";", ",").replace('"', "'")
