"""Fields as the register wants them: clean text, as worker.domain.texte defines it."""

import re
import unicodedata

from worker.domain.texte import clean

_BAD_BYTES = re.compile("[\udc80-\udcff]")


def clean_fields(fields: list[str]) -> tuple[list[str], int]:
    """The fields, cleaned, and how many had to be.

    Raises:
        ValueError: bytes that are no letter in the file's encoding.
    """
    line = ";".join(fields)
    if _needs_no_cleaning(line):
        return fields, 0
    if _BAD_BYTES.search(line):
        raise ValueError("bytes that the encoding does not know")
    cleaned = [clean(field) for field in fields]
    return cleaned, sum(before != after for before, after in zip(fields, cleaned, strict=True))


def _needs_no_cleaning(line: str) -> bool:
    """A test for most lines, quicker than a regular expression: printable text has no control, no space but one."""
    return (
        line.isprintable()
        and not ("  " in line or "; " in line or " ;" in line or line[:1] == " " or line[-1:] == " ")
        and unicodedata.is_normalized("NFC", line)
    )
