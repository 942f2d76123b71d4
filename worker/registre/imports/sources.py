"""Reads a CSV file or a workbook as records of fields, and finds the position of each field.

Memory does not depend on the size of a CSV file. For a workbook it holds one row, the shared texts, and an empty
element for each row read: MOST_BYTES limits them (122 MB for 300,000 electors).
"""

import csv
import re
import warnings
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import partial
from io import SEEK_END, BufferedReader, TextIOWrapper
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple
from xml.etree.ElementTree import XMLPullParser

from common.file_kind import START, FileKind, UnreadableArchiveError, open_archive
from common.texte import clean
from schemas.vocabulary import SEPARATORS
from worker.errors import ImportRefusedError

if TYPE_CHECKING:
    from openpyxl import Workbook

_LINES_ABOVE = 20
"""Number of lines that are searched for the titles."""
_MOST_COLUMNS = 100
_MOST_SHEETS = 100
_LONGEST_TITLE = 100


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
    """The titles of a file, and the position of each field.

    A field that the file lacks is at `width`, where the parser adds an empty value.
    """

    titles: Sequence[str]
    positions: Mapping[str, int]
    notes: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    """Values given for all lines, because the file lacks them; the parser adds them behind the empty one."""
    derived: Sequence["Derived"] = ()
    """Values computed from several columns, or from a part of one; the parser adds them behind the constants."""
    missing: Sequence[str] = ()
    """The fields that the file should have and lacks."""

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.titles)

    def at(self, name: str) -> int:
        """Return the position of this field, counted from 0."""
        added = [*self.constants, *(name for it in self.derived for name in it.fields)]
        if name in added:
            return self.width + 1 + added.index(name)
        return self.positions.get(name, self.width)


class Derived(NamedTuple):
    """Fields that are computed from the cleaned fields of a line."""

    fields: Sequence[str]
    compute: Callable[[Sequence[str]], Sequence[str]]
    """Raises ValueError if the values have another shape."""
    title: str
    """The column that a message names."""


class UnfitFileError(ImportRefusedError):
    """Another file is needed: the refusal also advises the agent how to get it."""


class Wanted(NamedTuple):
    """The kind of file that an import expects."""

    match_columns: Callable[[Sequence[str]], Columns]
    """Finds the columns in a line of titles; raises ImportRefusedError for another line or kind of file."""
    advice: str
    """What an agent can do about a file that cannot be read, in French: « téléchargez-le … »."""
    match_unknown: Callable[[Sequence[str]], Columns] | None = None
    """Called if no line has known titles: returns columns that an agent has to match."""

    def refuse(self, reason: str) -> ImportRefusedError:
        """Build the refusal of a file, for this reason."""
        return ImportRefusedError(f"{reason} ; {self.advice}")


def match_titles(lines: Sequence[Sequence[str]], wanted: Wanted) -> tuple[int, Columns]:
    """Find the titles among the first lines; return the number of lines above them, and the columns.

    Raises:
        ImportRefusedError: none of them is a line of titles; the message is about the line with most cells.
    """
    first = [[clean(cell) for cell in line] for line in lines[:_LINES_ABOVE]]
    refusals: list[tuple[int, ImportRefusedError]] = []
    for match in filter(None, (wanted.match_columns, wanted.match_unknown)):
        for above, line in enumerate(first):
            try:
                return above, match(line)
            except ImportRefusedError as refusal:
                refusals.append((sum(map(bool, line)), refusal))
    if first and len(first[0]) == 1 and any(mark in first[0][0] for mark in SEPARATORS):
        raise wanted.refuse("chaque ligne est d'un bout à l'autre entre guillemets")
    raise max(refusals, key=itemgetter(0))[1] if refusals else wanted.refuse("la feuille est vide")


CP1252 = "cp1252"
UTF_8 = "utf-8-sig"
MAX_LINE = 1 << 16
"""Characters of one line that are read at once; no line of an export is longer."""

_MAYBE_CUT = "la dernière ligne n'a pas de fin de ligne : si le téléchargement a été interrompu, recommencez-le"
_DOS = re.compile(rb"[A-Za-z][\x82\x87\x88\x90]|[a-z]\x8a|[A-Za-z]\x93[A-Za-z]")
"""é ç ê É, è, ô in CP850 and CP437, which Windows-1252 reads as marks that never follow such a letter."""
_MAC = re.compile(rb"[A-Za-z][\x83\x8d\x8f]|[a-z]\x8e|[A-Za-z]\x99[A-Za-z]")
"""É ç è, é, ô in Mac Roman, which Windows-1252 also reads as such marks."""


@dataclass(frozen=True)
class CsvText:
    """How the lines of a CSV file are read."""

    encoding: str
    separator: str
    is_whole: bool
    """Whether the last line has an end; without one, its last value may be cut."""

    above: int = 0
    """Number of lines above the titles."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the file for the agent, in French."""
        name = {CP1252: "Windows-1252 (cp1252)", UTF_8: ""}.get(self.encoding, "UTF-16")
        converted = (f"fichier en {name}, converti en UTF-8",) if name else ()
        cut = () if self.is_whole else (_MAYBE_CUT,)
        return (*converted, *_note_above(self.above), *cut)

    def iter_records(self, stream: BinaryIO, width: int) -> Iterator[Record]:
        """Yield the lines after the titles. Bytes that mean nothing in the encoding become surrogates."""
        with TextIOWrapper(stream, self.encoding, errors="surrogateescape", newline="") as text:
            lines: Iterator[str] = iter(partial(text.readline, MAX_LINE), "")
            if self.encoding == CP1252:
                lines = map(_mark_utf_8, lines)
            try:
                yield from _split_records(lines, self.separator, width, self.above)
            except UnicodeError:
                raise ImportRefusedError("le fichier est coupé au milieu d'une lettre") from None


def _note_above(lines: int) -> tuple[str, ...]:
    return (f"titres des colonnes lus à la ligne {lines + 1}",) if lines else ()


def open_text(stream: BinaryIO, kind: FileKind) -> tuple[CsvText, list[list[str]]]:
    """Return how to read a CSV file, and its first lines."""
    encoding = _detect_utf_16(stream) if kind is FileKind.UTF_16 else _detect_encoding(stream)
    is_whole = True  # a file from a ZIP, because its checksum is right
    if isinstance(stream, BufferedReader):
        stream.seek(-2 if kind is FileKind.UTF_16 else -1, SEEK_END)
        is_whole = stream.read().strip(b"\0") in {b"\r", b"\n"}
    stream.seek(0)
    with TextIOWrapper(stream, encoding, errors="replace", newline="") as text:
        lines = list(islice(iter(partial(text.readline, MAX_LINE), ""), 1 + _LINES_ABOVE))
    separator = max(SEPARATORS, key=lambda mark: max(line.count(mark) for line in lines))
    try:
        first = [_split_line(line, separator) for line in lines]
    except csv.Error:
        raise ImportRefusedError(
            "les premières lignes ne sont pas celles d'un fichier CSV"
        ) from None
    if max(map(len, first)) > _MOST_COLUMNS:
        raise UnfitFileError(f"une des premières lignes a plus de {_MOST_COLUMNS} colonnes")
    return CsvText(encoding, separator, is_whole), [
        [title[:_LONGEST_TITLE] for title in line] for line in first
    ]


def _detect_utf_16(stream: BinaryIO) -> str:
    start = stream.read(START)
    if start.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):
        raise UnfitFileError("c'est un texte en UTF-32")
    if start.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"
    return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"


def _detect_encoding(stream: BinaryIO) -> str:
    line = stream.readline(MAX_LINE)
    while line.isascii():
        if not line:
            return UTF_8
        line = stream.readline(MAX_LINE)
    line = next(piece for piece in line.splitlines() if not piece.isascii())
    try:
        line.decode()
    except UnicodeDecodeError:
        if _DOS.search(line):
            raise UnfitFileError(
                "les accents sont écrits comme sous MS-DOS (CP850 ou CP437)"
            ) from None
        if _MAC.search(line):
            raise UnfitFileError(
                "les accents sont écrits comme sur un ancien Macintosh (Mac Roman)"
            ) from None
        return CP1252
    return UTF_8


def _split_line(line: str, separator: str) -> list[str]:
    """Split one line, so that an unclosed quote does not swallow the file."""
    return next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])


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


def _split_records(
    lines: Iterator[str], separator: str, width: int, above: int
) -> Iterator[Record]:
    """Split records of at most `width` lines; the lines that an unclosed quote swallows are read again one by one."""
    titles = _split_line(next(islice(lines, above, None)), separator)
    number = 2 + above
    ahead: deque[str] = deque()
    while True:
        ahead.extend(islice(lines, width - len(ahead)))
        reader = csv.reader(_limit(ahead), delimiter=separator, strict=True)
        try:
            fields: list[str] | Broken = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields = Broken.QUOTES
        taken = reader.line_num
        if taken > 1 and (fields is Broken.QUOTES or len(fields) != width):
            taken, fields = 1, Broken.QUOTES
        if isinstance(fields, Broken) or len(fields) not in {0, width}:
            if not ahead[0].endswith(("\n", "\r")):
                fields = Broken.CUT
        elif fields and fields[-1] == titles[-1] and fields[1:] == titles[1:]:
            fields = Broken.TITLES
        if fields:
            yield number, fields
        number += taken
        for _ in range(taken):
            ahead.popleft()


def _limit(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines of MAX_LINE characters in all: otherwise a file of unclosed quotes would be read from each line."""
    size = 0
    for line in lines:
        if size > MAX_LINE:
            return
        size += len(line)
        yield line


MOST_BYTES = 256 << 20
"""Bytes of a workbook after extraction: some 300,000 electors. Larger lists must be imported as CSV."""

_MOST_ROWS = 1 << 20
"""Maximum number of rows of a sheet (ECMA-376, and every spreadsheet)."""
_ROWS_ABOVE = 30
_PIECE = 1 << 16
_UNITS = "}row", "}si"
_MOST_ELEMENTS = 1 << 16
"""Maximum number of XML elements of a row or a shared text: more than a spreadsheet has columns."""
_ERRORS = frozenset({"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"})


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook, and its position among the sheets."""

    name: str
    position: int
    above: int = 0
    """Number of lines above the titles."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the file for the agent, in French."""
        said = f"classeur lu par sa feuille « {self.name} » ; l'export CSV d'origine est plus sûr qu'un classeur"
        return (said, *_note_above(self.above))

    def iter_records(self, stream: BinaryIO, width: int) -> Iterator[Record]:
        """Yield the rows below the titles, each with its number in the sheet."""
        titles: list[str] = []
        with _open_workbook(stream) as workbook:
            for number, cells in enumerate(
                _iter_rows(workbook.worksheets[self.position], width + 1), 1
            ):
                if number > _MOST_ROWS:
                    raise UnfitFileError("la feuille a plus de lignes qu'un tableur n'en écrit")
                fields = [_text_of(cell) for cell in cells]
                if number == 1 + self.above:
                    titles = fields[:width]
                elif number > self.above and any(fields):
                    yield number, _check(fields, width, titles)


def _check(fields: list[str], width: int, titles: list[str]) -> list[str] | Broken:
    if not _ERRORS.isdisjoint(fields):
        return Broken.CELL
    if not fields[width]:
        del fields[width]
    return Broken.TITLES if fields == titles else fields


def open_sheets(stream: BinaryIO) -> Iterator[tuple[Sheet, list[list[str]]]]:
    """Yield the visible sheets, each with its first rows."""
    with _open_workbook(stream) as workbook:
        if len(workbook.worksheets) > _MOST_SHEETS:
            raise UnfitFileError(f"ce classeur a trop de feuilles (plus de {_MOST_SHEETS})")
        for position, sheet in enumerate(workbook.worksheets):
            if sheet.sheet_state == "visible":
                yield Sheet(sheet.title[:_LONGEST_TITLE], position), list(_first_rows(sheet))


def find_source(
    found: Iterable[tuple[str, CsvText | Sheet, Sequence[Sequence[str]]]], wanted: Wanted
) -> tuple[str, CsvText | Sheet, Columns]:
    """Return the only source that has the titles, with the name before it, and its columns."""
    fitting: list[tuple[str, CsvText | Sheet, Columns]] = []
    refused: ImportRefusedError | None = None
    for name, source, lines in found:
        try:
            above, columns = match_titles(lines, wanted)
            fitting.append((name, replace(source, above=above), columns))
        except ImportRefusedError as refusal:
            refused = refused or refusal  # its traceback holds the titles
    fitting = [it for it in fitting if it[2].positions] or fitting
    if len(fitting) > 1:
        names = ", ".join(
            f"« {sheet.name} »" for _, sheet, _ in fitting if isinstance(sheet, Sheet)
        )
        raise ImportRefusedError(
            f"plusieurs feuilles de ce classeur ont ces titres ({names}) ; n'en gardez qu'une"
        )
    if not fitting:
        raise refused or wanted.refuse("ce classeur n'a aucune feuille lisible")
    return fitting[0]


def _first_rows(sheet: Any) -> Iterator[list[str]]:  # noqa: ANN401 — a sheet of openpyxl, read row by row
    for cells in _iter_rows(sheet, _MOST_COLUMNS, _ROWS_ABOVE):
        fields = [_text_of(cell)[:_LONGEST_TITLE] for cell in cells]
        while fields and not fields[-1]:
            fields.pop()
        yield fields


def _iter_rows(sheet: Any, width: int, most: int | None = None) -> Iterator[Sequence[object]]:  # noqa: ANN401
    sheet.reset_dimensions()  # the stored size may be wrong, and rows beyond it would not be read
    rows: Iterator[Sequence[object]] = sheet.iter_rows(
        max_col=width, max_row=most, values_only=True
    )
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


def _iterparse(source: BinaryIO) -> Iterator[Any]:
    """Yield the end of each element; refuse entities, and a row or a text of more elements than openpyxl may keep."""
    parser: XMLPullParser[Any] = XMLPullParser(("end",))
    number = unended = 0
    while piece := source.read(_PIECE):
        if b"<!DOCTYPE" in piece:
            raise UnfitFileError("ce classeur est abîmé (DOCTYPE)")
        parser.feed(piece)
        ends = list(parser.read_events())
        since = (
            place
            for place, (_, element) in enumerate(reversed(ends))
            if element.tag.endswith(_UNITS)
        )
        number = next(since, number + len(ends))
        unended += piece.count(b"<") - piece.count(b"</") - len(ends)
        if max(number, unended) > _MOST_ELEMENTS:
            raise UnfitFileError("une ligne de ce classeur a trop de cellules")
        yield from ends


@contextmanager
def _open_workbook(stream: BinaryIO) -> Iterator["Workbook"]:
    """Open the workbook while its rows are read; formulas are not computed, macros and links are ignored."""
    # openpyxl reads row by row. python-calamine is faster but allocates a dense sheet: 5 kB can ask for 549 GB.
    from openpyxl import load_workbook
    from openpyxl.reader import strings
    from openpyxl.worksheet import _reader as rows

    rows.iterparse = strings.iterparse = _iterparse  # type: ignore[attr-defined]
    workbook = None
    try:
        with open_archive(stream, MOST_BYTES):
            stream.seek(0)
        with warnings.catch_warnings(
            action="ignore"
        ):  # warnings about styles and extensions do not matter here
            workbook = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            yield workbook
    except UnreadableArchiveError as refusal:
        raise ImportRefusedError(str(refusal).replace("ce ZIP", "ce classeur")) from None
    except (ImportRefusedError, OSError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 — openpyxl raises many types for a damaged workbook
        raise UnfitFileError(f"ce classeur est abîmé ({type(error).__name__})") from None
    finally:
        if workbook is not None:
            workbook.close()
