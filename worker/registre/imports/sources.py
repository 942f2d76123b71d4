"""Reads a CSV file or a workbook as records of fields, and finds the position of each field.

Memory does not depend on the size of a CSV file. For a workbook it holds one row, the shared texts, and an empty
element for each row read: MOST_BYTES limits them (122 MB for 300,000 electors).
"""

import csv
import re
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import partial
from io import SEEK_END, BufferedReader, TextIOWrapper
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from common.file_kind import UnreadableArchiveError, open_archive
from worker.errors import ImportRefusedError

if TYPE_CHECKING:
    from openpyxl import Workbook

_LINES_ABOVE = 20
"""Number of lines that are searched for the titles, to report where the titles are."""


class Broken(StrEnum):
    """Why a record has no fields: the reason in the report of rejects."""

    QUOTES = "guillemets mal fermés"
    CUT = "dernière ligne coupée : le téléchargement n'est pas allé au bout"
    CELL = "cellule en erreur dans le classeur (#N/A, #REF!…)"
    TITLES = "ligne de titres répétée : plusieurs fichiers mis bout à bout"


Record = tuple[int, list[str] | Broken]
"""The number of a line, counted from 1, and its fields, or the reason why it has none."""


@dataclass(frozen=True)
class Columns:
    """The position of each field. A field that the file lacks is at `width`, where the parser adds an empty value."""

    width: int
    positions: Mapping[str, int]
    notes: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    """Values given for all lines, because the file lacks them; the parser adds them behind the empty one."""

    def at(self, name: str) -> int:
        """Return the position of this field, counted from 0."""
        if name in self.constants:
            return self.width + 1 + list(self.constants).index(name)
        return self.positions.get(name, self.width)


class Wanted(NamedTuple):
    """The kind of file that an import expects."""

    match_columns: Callable[[Sequence[str]], Columns]
    """Finds the columns in a line of titles; raises ImportRefusedError for another kind of file."""
    advice: str
    """What an agent can do about a file that cannot be read, in French: « téléchargez-le … »."""

    def refuse(self, reason: str) -> ImportRefusedError:
        """Build the refusal of a file, for this reason."""
        return ImportRefusedError(f"{reason} ; {self.advice}")


def match_titles(lines: Iterable[Sequence[str]], wanted: Wanted) -> tuple[Sequence[str], Columns]:
    """Return the titles, which are the first line, and the positions of the columns."""
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


CP1252 = "cp1252"
UTF_8 = "utf-8-sig"
MAX_LINE = 1 << 20
"""Characters of one line that are read at once; no line of an export is longer."""

_MAYBE_CUT = "la dernière ligne n'a pas de fin de ligne : si le téléchargement a été interrompu, recommencez-le"
_DOS = re.compile(rb"[A-Za-z][\x82\x87\x88\x90]|[a-z]\x8a|[A-Za-z]\x93[A-Za-z]")
"""é ç ê É, è, ô in CP850 and CP437, which Windows-1252 reads as marks that never follow such a letter."""
_MAC = re.compile(rb"[A-Za-z][\x83\x8d\x8f]|[a-z]\x8e|[A-Za-z]\x99[A-Za-z]")
"""É ç è, é, ô in Mac Roman, which Windows-1252 also reads as such marks."""


@dataclass(frozen=True)
class CsvText:
    """The lines of a CSV file whose titles were recognised."""

    encoding: str
    separator: str
    titles: Sequence[str]
    is_whole: bool
    """Whether the last line has an end; without one, its last value may be cut."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the file for the agent, in French."""
        converted = ("fichier en Windows-1252 (cp1252), converti en UTF-8",) if self.encoding == CP1252 else ()
        cut = () if self.is_whole else (_MAYBE_CUT,)
        return (*converted, *cut)

    def iter_records(self, stream: BinaryIO, columns: Columns) -> Iterator[Record]:
        """Yield the lines after the titles. Bytes that mean nothing in the encoding become surrogates."""
        with TextIOWrapper(stream, self.encoding, errors="surrogateescape", newline="") as text:
            lines: Iterable[str] = iter(partial(text.readline, MAX_LINE), "")
            if self.encoding == CP1252:
                lines = map(_mark_utf_8, lines)
            yield from _split_records(_Lines(lines, columns.width), self.separator, self.titles, columns.width)


def open_text(stream: BinaryIO, wanted: Wanted) -> tuple[CsvText, Columns]:
    """Read the titles of a CSV file, from its beginning."""
    first_line = stream.readline(MAX_LINE)
    encoding = _detect_encoding(first_line, stream, wanted)
    is_whole = _ends_its_last_line(stream)
    stream.seek(0)
    with TextIOWrapper(stream, encoding, errors="replace", newline="") as text:
        lines = iter(partial(text.readline, MAX_LINE), "")
        title_line = next(lines, "")
        separator = max(";,\t", key=title_line.count)
        if separator == "\t":
            raise wanted.refuse("les colonnes sont séparées par des tabulations, comme un tableur les enregistre")
        try:
            titles, columns = match_titles(_split_lines(title_line, lines, separator), wanted)
        except csv.Error:
            raise ImportRefusedError("la première ligne n'est pas celle d'un fichier CSV") from None
    return CsvText(encoding, separator, tuple(titles), is_whole), columns


def _ends_its_last_line(stream: BinaryIO) -> bool:
    """Return whether the last byte is an end of line; a file from a ZIP is whole, because its checksum is right."""
    if not isinstance(stream, BufferedReader):
        return True
    stream.seek(-1, SEEK_END)
    return stream.read(1) in b"\r\n"


def _detect_encoding(first_line: bytes, rest: BinaryIO, wanted: Wanted) -> str:
    """Detect UTF-8 or cp1252 by the accents of the titles or, without any, of the first line that has one."""
    line = first_line
    while line.isascii():
        line = rest.readline(MAX_LINE)
        if not line:
            return UTF_8
    line = next(piece for piece in line.splitlines() if not piece.isascii())
    try:
        line.decode()
    except UnicodeDecodeError:
        if _DOS.search(line):
            raise wanted.refuse("les accents sont écrits comme sous MS-DOS (CP850 ou CP437)") from None
        if _MAC.search(line):
            raise wanted.refuse("les accents sont écrits comme sur un ancien Macintosh (Mac Roman)") from None
        return CP1252
    return UTF_8


def _split_lines(first: str, rest: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Split each line separately, so that an unclosed quote does not swallow the file."""
    for line in chain([first], rest):
        yield next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])


def _mark_utf_8(line: str) -> str:
    """Turn the letters of a UTF-8 line in a Windows-1252 file into surrogates, so that the line is rejected."""
    if "Ã" not in line:
        return line
    content = line.encode(CP1252, "surrogateescape")
    try:
        content.decode()
    except UnicodeDecodeError:
        return line
    return content.decode("ascii", "surrogateescape")


class _Lines:
    """Iterates over lines and keeps those of the current record, in case an unclosed quote swallows its neighbours.

    A record ends after `most` lines: otherwise a file of unclosed quotes would be read to its end from each line.
    """

    def __init__(self, lines: Iterable[str], most: int) -> None:
        self._source = iter(lines)
        self._most = most
        self._again: deque[str] = deque()
        self.held: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if len(self.held) == self._most:
            raise StopIteration
        line = self._again.popleft() if self._again else next(self._source)
        self.held.append(line)
        return line

    def give_back(self) -> None:
        """Queue all lines of the record but the first to be read again."""
        self._again.extendleft(reversed(self.held[1:]))
        del self.held[1:]


def _split_records(lines: _Lines, separator: str, titles: Sequence[str], width: int) -> Iterator[Record]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    repeated, last = list(titles), titles[-1]
    next(lines)
    number = 1
    while True:
        number += len(lines.held)
        lines.held.clear()
        try:
            fields: list[str] | Broken = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields = Broken.QUOTES
        if len(lines.held) > 1 and (fields is Broken.QUOTES or len(fields) != width):
            lines.give_back()
            fields = Broken.QUOTES
        if not fields:
            continue
        if isinstance(fields, Broken) or len(fields) != width:
            if not lines.held[0].endswith(("\n", "\r")):
                fields = Broken.CUT
        elif fields[-1] == last and fields[1:] == repeated[1:]:
            fields = Broken.TITLES
        yield number, fields


MOST_BYTES = 256 << 20
"""Bytes of a workbook after extraction: some 300,000 electors. Larger lists must be imported as CSV."""

_MOST_ROWS = 1 << 20
"""Maximum number of rows of a sheet (ECMA-376, and every spreadsheet)."""
_MOST_COLUMNS = 256
"""Maximum number of columns read in the row of titles."""
_ROWS_ABOVE = 30
_ERRORS = frozenset({"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"})


@dataclass(frozen=True)
class Sheet:
    """The sheet of a workbook that holds the data to import, recognised by its titles."""

    name: str
    titles: Sequence[str]
    wanted: Wanted

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the file for the agent, in French."""
        return (f"classeur lu par sa feuille « {self.name} » ; l'export CSV d'origine est plus sûr qu'un classeur",)

    def iter_records(self, stream: BinaryIO, columns: Columns) -> Iterator[Record]:
        """Yield the rows below the titles, each with its number in the sheet."""
        width, repeated = columns.width, list(self.titles)
        with _open_workbook(stream, self.wanted) as workbook:
            for number, cells in enumerate(_iter_rows(_sheets_of(workbook)[self.name], width + 1), 1):
                if number > _MOST_ROWS:
                    raise self.wanted.refuse("la feuille a plus de lignes qu'un tableur n'en écrit")
                fields = [_text_of(cell) for cell in cells]
                if number == 1 or not any(fields):
                    continue
                yield number, _check(fields, width, repeated)


def _check(fields: list[str], width: int, titles: list[str]) -> list[str] | Broken:
    if not _ERRORS.isdisjoint(fields):
        return Broken.CELL
    if not fields[width]:
        del fields[width]
    return Broken.TITLES if fields == titles else fields


def open_sheet(stream: BinaryIO, wanted: Wanted) -> tuple[Sheet, Columns]:
    """Find the only visible sheet whose first row has the titles."""
    found: list[tuple[Sheet, Columns]] = []
    refusals: list[ImportRefusedError] = []
    with _open_workbook(stream, wanted) as workbook:
        for sheet in _sheets_of(workbook).values():
            if sheet.sheet_state != "visible":
                continue
            try:
                titles, columns = match_titles(_first_rows(sheet), wanted)
            except ImportRefusedError as refusal:
                refusals.append(refusal)
            else:
                found.append((Sheet(sheet.title, titles, wanted), columns))
    if len(found) > 1:
        names = ", ".join(f"« {sheet.name} »" for sheet, _ in found)
        raise ImportRefusedError(f"plusieurs feuilles de ce classeur ont ces titres ({names}) ; n'en gardez qu'une")
    if not found:
        raise refusals[0] if refusals else wanted.refuse("ce classeur n'a aucune feuille lisible")
    return found[0]


def _sheets_of(workbook: "Workbook") -> dict[str, Any]:
    return {sheet.title: sheet for sheet in workbook.worksheets}


def _first_rows(sheet: Any) -> Iterator[Sequence[str]]:  # noqa: ANN401 — a sheet of openpyxl, read row by row
    for cells in _iter_rows(sheet, _MOST_COLUMNS, _ROWS_ABOVE):
        fields = [_text_of(cell) for cell in cells]
        while fields and not fields[-1]:
            fields.pop()
        yield fields


def _iter_rows(sheet: Any, width: int, most: int | None = None) -> Iterator[Sequence[object]]:  # noqa: ANN401
    sheet.reset_dimensions()  # the stored size may be wrong, and rows beyond it would not be read
    rows: Iterator[Sequence[object]] = sheet.iter_rows(max_col=width, max_row=most, values_only=True)
    return rows


def _text_of(cell: object) -> str:
    """Return the value as an export writes it: whole numbers without decimals, dates `JJ/MM/AAAA`."""
    match cell:
        case None:
            return ""
        case str():
            return cell
        case date():
            return f"{cell:%d/%m/%Y}"
        case float() if cell.is_integer():
            return str(int(cell))
    return str(cell)


@contextmanager
def _open_workbook(stream: BinaryIO, wanted: Wanted) -> Iterator["Workbook"]:
    """Open the workbook while its rows are read; formulas are not computed, macros and links are ignored."""
    from openpyxl import load_workbook

    try:
        with open_archive(stream, MOST_BYTES):
            pass
    except UnreadableArchiveError:
        raise wanted.refuse("ce classeur est abîmé, protégé ou trop grand (plus de 256 Mo hors de son ZIP)") from None
    stream.seek(0)
    workbook = None
    try:
        with warnings.catch_warnings(action="ignore"):  # warnings about styles and extensions do not matter here
            workbook = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            yield workbook
    except (ImportRefusedError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 — openpyxl raises many types for a damaged workbook
        raise wanted.refuse(f"ce classeur est abîmé ({type(error).__name__})") from None
    finally:
        if workbook is not None:
            workbook.close()
