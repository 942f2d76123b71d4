"""What is read of a file to import, whatever holds it: records of fields, and where each field is."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import BinaryIO, NamedTuple, Protocol

from worker.errors import ImportRefusedError

_LINES_ABOVE = 20
"""Lines above the titles that are looked at, to say where the titles are."""


class Broken(StrEnum):
    """Why a record has no fields: the reason that the report of rejects gives."""

    QUOTES = "guillemets mal fermés"
    CUT = "dernière ligne coupée : le téléchargement n'est pas allé au bout"
    CELL = "cellule en erreur dans le classeur (#N/A, #REF!…)"
    TITLES = "ligne de titres répétée : plusieurs fichiers mis bout à bout"


Record = tuple[int, list[str] | Broken]
"""The number of a line, counted from 1, and its fields, or why it has none."""


@dataclass(frozen=True)
class Columns:
    """Where each field is. A field that the file lacks is at `width`, where the parser puts an empty value."""

    width: int
    positions: Mapping[str, int]
    notes: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    """Values that the file lacks and somebody has said of all its lines; the parser puts them behind the empty one."""

    def at(self, name: str) -> int:
        """The place of the field of this name, counted from 0."""
        if name in self.constants:
            return self.width + 1 + list(self.constants).index(name)
        return self.positions.get(name, self.width)


class Wanted(NamedTuple):
    """The file that an import wants."""

    match_columns: Callable[[Sequence[str]], Columns]
    """Finds the columns by a line of titles; raises ImportRefusedError where it is another file's."""
    advice: str
    """What a clerk can do about a file that cannot be read, in French: « téléchargez-le … »."""
    digits: Mapping[str, int]
    """Codes that a spreadsheet takes for numbers, and shortens: how many digits they have."""

    def refuse(self, reason: str) -> ImportRefusedError:
        """The refusal of a file, for this reason."""
        return ImportRefusedError(f"{reason} ; {self.advice}")


class RecordSource(Protocol):
    """How the records of a file are read."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a clerk should know about the file, in French."""

    def iter_records(self, stream: BinaryIO, columns: Columns) -> Iterator[Record]:
        """The records behind the titles; blank lines are passed over."""


def match_titles(lines: Iterable[Sequence[str]], wanted: Wanted) -> tuple[Sequence[str], Columns]:
    """The titles, which are the first of the lines, and where the columns are.

    Raises:
        ImportRefusedError: another file's; or its titles are further down, and the message says where.
    """
    rest = iter(lines)
    titles = next(rest, ())
    try:
        return titles, wanted.match_columns(titles)
    except ImportRefusedError as refusal:
        for number, line in enumerate(islice(rest, _LINES_ABOVE), 2):
            if _are_titles(line, wanted):
                raise wanted.refuse(f"les titres des colonnes sont à la ligne {number}, et non à la première") from None
        if len(titles) == 1 and any(mark in titles[0] for mark in ";,\t"):
            raise wanted.refuse("chaque ligne est d'un bout à l'autre entre guillemets") from None
        raise refusal from None


def _are_titles(line: Sequence[str], wanted: Wanted) -> bool:
    try:
        wanted.match_columns(line)
    except ImportRefusedError:
        return False
    return True
