"""A CSV file to import: encoding, separator, records. Memory does not depend on its size."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import SEEK_END, BufferedReader, TextIOWrapper
from itertools import chain
from typing import BinaryIO

from worker.errors import ImportRefusedError
from worker.registre.imports.records import Broken, Columns, Record, Wanted, match_titles

CP1252 = "cp1252"
UTF_8 = "utf-8-sig"
MAX_LINE = 1 << 20
"""Characters of one line that are read at once; a longer line is no line of an export."""

_MAYBE_CUT = "la dernière ligne n'a pas de fin de ligne : si le téléchargement a été interrompu, recommencez-le"
_DOS = re.compile(rb"[A-Za-z][\x82\x87\x88\x90]|[a-z]\x8a|[A-Za-z]\x93[A-Za-z]")
"""é ç ê É, è, ô of CP850 and CP437, which Windows-1252 reads as marks that never stand behind such a letter."""
_MAC = re.compile(rb"[A-Za-z][\x83\x8d\x8f]|[a-z]\x8e|[A-Za-z]\x99[A-Za-z]")
"""É ç è, é, ô of Mac Roman, likewise."""


@dataclass(frozen=True)
class CsvText:
    """The lines of a CSV file, known by its titles."""

    encoding: str
    separator: str
    titles: Sequence[str]
    has_old_ends: bool
    """Whether lines end as they did on a Macintosh before 2001: CR alone."""
    is_whole: bool
    """Whether the last line has an end; without one, it may be cut in its last value."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a clerk should know about the file, in French."""
        converted = ("fichier en Windows-1252 (cp1252), converti en UTF-8",) if self.encoding == CP1252 else ()
        ends = ("fins de ligne d'un ancien Macintosh (CR seul), lues comme les autres",) if self.has_old_ends else ()
        cut = () if self.is_whole else (_MAYBE_CUT,)
        return (*converted, *ends, *cut)

    def iter_records(self, stream: BinaryIO, columns: Columns) -> Iterator[Record]:
        """Read the lines after the titles. Bytes that mean nothing in the encoding become surrogates."""
        with TextIOWrapper(stream, self.encoding, errors="surrogateescape", newline="") as text:
            lines: Iterable[str] = iter(partial(text.readline, MAX_LINE), "")
            if self.encoding == CP1252:
                lines = map(_mark_utf_8, lines)
            yield from _split_records(_Lines(lines), self.separator, self.titles, columns.width)


def open_text(stream: BinaryIO, wanted: Wanted) -> tuple[CsvText, Columns]:
    """Read the titles of a CSV file, from its beginning.

    Raises:
        ImportRefusedError: another file's, or written in a way that is not read; the message says which.
    """
    first_line = stream.readline(MAX_LINE)
    encoding = _detect_encoding(first_line, stream, wanted)
    is_whole = _ends_its_last_line(stream)
    has_old_ends = b"\r" in first_line.rstrip(b"\r\n")
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
    return CsvText(encoding, separator, tuple(titles), has_old_ends, is_whole), columns


def _ends_its_last_line(stream: BinaryIO) -> bool:
    """Whether an end of line is the last byte; a file out of a ZIP is whole, since its checksum is right."""
    if not isinstance(stream, BufferedReader):
        return True
    stream.seek(-1, SEEK_END)
    return stream.read(1) in b"\r\n"


def _detect_encoding(first_line: bytes, rest: BinaryIO, wanted: Wanted) -> str:
    """UTF-8 or cp1252: the accents of the titles tell, and when they have none, the first line that has one."""
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
    """Each line by itself: quotes that are never closed must not swallow the file."""
    for line in chain([first], rest):
        yield next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])


def _mark_utf_8(line: str) -> str:
    """A line in UTF-8 among those in Windows-1252: its letters become bytes without a meaning, and it is rejected."""
    if "Ã" not in line:
        return line
    content = line.encode(CP1252, "surrogateescape")
    try:
        content.decode()
    except UnicodeDecodeError:
        return line
    return content.decode("ascii", "surrogateescape")


class _Lines:
    """Lines of a text, those of the record at hand kept: a quote never closed must not swallow its neighbours."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._source = iter(lines)
        self._again: deque[str] = deque()
        self.held: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self.held.append(line)
        return line

    def give_back(self) -> None:
        """All lines of the record but the first will be read again."""
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
