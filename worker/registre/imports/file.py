"""A file to import: what it is, its fingerprint, its records. Memory does not depend on its size."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from common.file_kind import START, FileKind, recognise
from worker.errors import ImportRefusedError
from worker.registre.imports.csv_text import open_text
from worker.registre.imports.records import Columns, Record, Source, Wanted


@dataclass(frozen=True)
class ImportedFile:
    """A file to import, known by its titles."""

    path: Path
    size: int
    modified: int
    sha256: str
    source: Source
    columns: Columns

    @property
    def name(self) -> str:
        """The file's name without its folder, for the record; a byte that is no letter is shown as a question mark."""
        return self.path.name.encode(errors="replace").decode()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a clerk should know about the file, in French."""
        return (*self.source.notes, *self.columns.notes)

    def has_changed(self) -> bool:
        """Whether somebody has written to the file since it was opened: a download that was not over."""
        state = self.path.stat()
        return (state.st_size, state.st_mtime_ns) != (self.size, self.modified)

    def iter_records(self, stream: BinaryIO) -> Iterator[Record]:
        """Read the lines after the titles, from a stream of the whole file; blank lines are passed over."""
        return self.source.iter_records(stream, self.columns)


def open_file(path: Path, wanted: Wanted) -> ImportedFile:
    """Read the titles, and the whole file once for its SHA-256.

    Raises:
        ImportRefusedError: it cannot be read, is empty, or is another file; the message says what it is.
    """
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            state = os.fstat(stream.fileno())
            stream.seek(0)
            source, columns = _open_source(stream, wanted)
    except OSError as error:
        raise unreadable(path, error) from None
    except ImportRefusedError as refusal:
        raise ImportRefusedError(f"{path.name} : {refusal}") from None
    return ImportedFile(path, state.st_size, state.st_mtime_ns, sha256, source, columns)


def _open_source(stream: BinaryIO, wanted: Wanted) -> tuple[Source, Columns]:
    kind = recognise(stream.read(START))
    stream.seek(0)
    if kind is FileKind.TEXT:
        return open_text(stream, wanted)
    if kind is FileKind.EMPTY:
        raise ImportRefusedError("le fichier est vide")
    if kind is FileKind.ZIP:
        raise ImportRefusedError("c'est une archive ou un classeur ; donnez le fichier CSV qu'elle contient")
    raise wanted.refuse(f"c'est {kind.label}, et non un fichier CSV")


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
