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
SUSPECT = f'[^ -~\u00a1-\u00ac\u00ae-\u02ff]|  |(^|{JOINT}) | ({JOINT}|$)|[;"]'
"""A quick first look. Text below U+0300 is in NFC (Unicode, UAX #15): only what matches is examined further."""

UNCLEAN = f"[{NOT_ALLOWED}{SPACES}]|  |(^|{JOINT}) | ({JOINT}|$)"
"""What `clean` would change, besides the normal form."""

_SUSPECT = re.compile(SUSPECT)
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
    return _SUSPECT.search(value) is not None


def without_separators(value: str) -> str:
    """The value for the CSV file: `;` and `"` have no escape there, a comma and an apostrophe stand for them."""
    return value.replace(";", ",").replace('"', "'")
