"""The bytes of a CSV file that is imported: encoding, separator, records. Memory does not depend on its size."""

import csv
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from worker.errors import ImportRefusedError

CP1252 = "cp1252"
UTF_8 = "utf-8-sig"
MAX_LINE = 1 << 20
"""Characters of one line that are read at once; a longer line is no line of an export."""

Record = tuple[int, list[str] | None]
"""The number of a line, counted from 1, and its fields; None when its quotes cannot be paired."""


@dataclass(frozen=True)
class Columns:
    """Where each field is. A field that the file lacks is at `width`, where the parser puts an empty value."""

    width: int
    positions: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def at(self, field: str) -> int:
        """The place of the field, counted from 0."""
        return self.positions.get(field, self.width)


@dataclass(frozen=True)
class CsvFile:
    """A file to import, known by its header."""

    path: Path
    size: int
    modified: int
    sha256: str
    encoding: str
    separator: str
    columns: Columns

    @property
    def name(self) -> str:
        """The file's name without its folder, for the record; a byte that is no letter is shown as a question mark."""
        return self.path.name.encode(errors="replace").decode()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a clerk should know about the file, in French."""
        converted = ("fichier en Windows-1252 (cp1252), converti en UTF-8",) if self.encoding == CP1252 else ()
        return (*converted, *self.columns.notes)

    def has_changed(self) -> bool:
        """Whether somebody has written to the file since it was opened: a download that was not over."""
        state = self.path.stat()
        return (state.st_size, state.st_mtime_ns) != (self.size, self.modified)

    def iter_records(self, stream: BinaryIO) -> Iterator[Record]:
        """Read the lines after the header; blank lines are passed over. Bytes that mean nothing become surrogates."""
        with TextIOWrapper(stream, self.encoding, errors="surrogateescape", newline="") as text:
            yield from _split_records(_Lines(text), self.separator, self.columns.width)


HeaderReader = Callable[[bytes, BinaryIO], tuple[str, str, Columns]]
"""Reads the first line, and looks at those after it where it must: encoding, separator, columns.

It raises ImportRefusedError when the file is not the one that is wanted.
"""


def open_csv(path: Path, read_header: HeaderReader) -> CsvFile:
    """Read the header, and the whole file once for its SHA-256.

    Raises:
        ImportRefusedError: it cannot be read, is empty, or has another header.
    """
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            state = os.fstat(stream.fileno())
            stream.seek(0)
            first_line = stream.readline(MAX_LINE)
            if not first_line.strip():
                raise ImportRefusedError("le fichier est vide")  # noqa: TRY301 — named below, as the header's refusals
            encoding, separator, columns = read_header(first_line, stream)
    except OSError as error:
        raise unreadable(path, error) from None
    except ImportRefusedError as refusal:
        raise ImportRefusedError(f"{path.name} : {refusal}") from None
    return CsvFile(path, state.st_size, state.st_mtime_ns, sha256, encoding, separator, columns)


def unreadable(path: Path, error: OSError) -> ImportRefusedError:
    """What to tell a clerk whose file the system does not give."""
    match error:
        case FileNotFoundError():
            reason = "fichier introuvable"
        case IsADirectoryError():
            reason = "c'est un dossier, pas un fichier"
        case PermissionError():
            reason = "le système refuse de lire ce fichier"
        case _:
            reason = f"lecture impossible ({error.strerror})"
    return ImportRefusedError(f"{path} : {reason}")


class _Lines:
    """Lines of a text, those of the record at hand kept: a quote never closed must not swallow its neighbours."""

    def __init__(self, text: TextIOWrapper) -> None:
        self._source = iter(partial(text.readline, MAX_LINE), "")
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


def _split_records(lines: _Lines, separator: str, width: int) -> Iterator[Record]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    next(lines)
    number = 1
    while True:
        number += len(lines.held)
        lines.held.clear()
        try:
            fields: list[str] | None = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields = None
        if len(lines.held) > 1 and (fields is None or len(fields) != width):
            lines.give_back()
            fields = None
        if fields is None or fields:
            yield number, fields
