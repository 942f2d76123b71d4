"""A file that names communes: one INSEE code a line, or the first column of a CSV."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from schemas.requests import check_code_commune

_LINE_END = re.compile("\r\n|\r|\n")
_SEPARATORS = re.compile("[;,\t]")
_HEADERS = {"code", "insee", "commune", "communes", "codgeo", "com", "depcom"}
_NO_ZERO = re.compile(r"[1-9][0-9]{3}", re.ASCII)


class Fault(NamedTuple):
    """A line that names no commune, counted from 1; the reason is French and quotes nothing."""

    line: int
    reason: str


class CommunesFile(NamedTuple):
    """What was read: each commune once, in the order of the file; the lines at fault; how many were repeated."""

    communes: list[str]
    faults: list[Fault]
    repeated: int


def read_communes(content: bytes) -> CommunesFile:
    """Read the file. Blank lines, what follows `#`, and a line of titles at the top are left out.

    UTF-8 or another encoding that has ASCII in it: a code is ASCII, and other columns are not read.
    """
    lines = enumerate(_LINE_END.split(content.decode("utf-8-sig", "replace")), 1)
    cells = [(number, [_bare(cell) for cell in _SEPARATORS.split(line.partition("#")[0])]) for number, line in lines]
    named = [(number, row[0]) for number, row in cells if any(row)]
    if named and _is_title(named[0][1]):
        del named[0]
    return _check(named)


def _check(named: Iterable[tuple[int, str]]) -> CommunesFile:
    communes: dict[str, None] = {}
    faults: list[Fault] = []
    read = 0
    for number, cell in named:
        try:
            communes[check_code_commune(cell.upper())] = None
            read += 1
        except ValueError as error:
            faults.append(Fault(number, f"{error}{_hint(cell)}"))
    return CommunesFile(list(communes), faults, read - len(communes))


def _bare(cell: str) -> str:
    return cell.strip().strip("\"'").strip()


def _is_title(cell: str) -> bool:
    words = re.split(r"[ _-]", cell.casefold())
    return words[0] in _HEADERS and not any(character.isdigit() for character in cell)


def _hint(cell: str) -> str:
    return " ; un tableur a peut-être ôté le zéro du début" if _NO_ZERO.fullmatch(cell) else ""
