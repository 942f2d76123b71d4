"""A file to import: its kind, its fingerprint, its records. Memory does not depend on its size."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from common.file_kind import START, FileKind, UnreadableArchiveError, list_files, open_archive, recognise
from worker.errors import ImportRefusedError
from worker.registre.imports.sources import Columns, CsvText, Record, Sheet, Wanted, open_sheet, open_text

MOST_UNPACKED = 2 << 30
"""Bytes of an archive's files after extraction: four times a whole département."""

MOST_ZIPPED_WORKBOOK = 32 << 20
"""Bytes of a workbook inside a ZIP; the workbook is a ZIP itself."""

_ZIP = b"PK"
_TABLES = frozenset({".csv", ".txt", ".xlsx", ".xlsm"})
_WORKBOOK = "xl/workbook.xml"
_OFFICE = {
    "xl/workbook.bin": "un classeur Excel binaire (.xlsb)",
    "content.xml": "un document OpenDocument (.ods, .odt)",
    "word/document.xml": "un document de traitement de texte (.docx)",
}
"""Other files in ZIP format: a part that identifies them, and their French name."""


@dataclass(frozen=True)
class ImportedFile:
    """A file to import whose titles were recognised."""

    path: Path
    size: int
    modified: int
    sha256: str
    source: CsvText | Sheet
    columns: Columns
    member: str = ""
    """The only file inside a ZIP."""
    named: str = ""
    """The owner's name of the file, if it differs from the name of `path`."""

    @property
    def name(self) -> str:
        """The file's name without its folder, for the record; a byte that is no letter becomes a question mark."""
        return (self.named or self.path.name).encode(errors="replace").decode()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the file for the agent, in French."""
        zipped = (f"fichier lu dans le ZIP : {PurePosixPath(self.member).name}",) if self.member else ()
        return (*zipped, *self.source.notes, *self.columns.notes)

    def has_changed(self) -> bool:
        """Return whether the file changed since it was opened, like a download that was not finished."""
        state = self.path.stat()
        return (state.st_size, state.st_mtime_ns) != (self.size, self.modified)

    def iter_records(self, stream: BinaryIO) -> Iterator[Record]:
        """Yield the lines after the titles, from a stream of the whole file, without blank lines."""
        with open_member(stream, self.member) if self.member else nullcontext(stream) as content:
            yield from self.source.iter_records(content, self.columns)


def open_file(path: Path, wanted: Wanted, *, named: str = "") -> ImportedFile:
    """Read the titles, and the whole file once for its SHA-256; `named`: the owner's name of the file.

    Raises:
        ImportRefusedError: the file cannot be read, is empty, or is of another kind; the message names the kind.
    """
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            state = os.fstat(stream.fileno())
            stream.seek(0)
            member, source, columns = _open_source(stream, wanted)
    except OSError as error:
        raise unreadable(path, error) from None
    except ImportRefusedError as refusal:
        name = named or path.name
        raise ImportRefusedError(f"{name} : {refusal}", on_screen=f"{name} : {refusal.on_screen}") from None
    return ImportedFile(path, state.st_size, state.st_mtime_ns, sha256, source, columns, member, named)


_Opened = tuple[str, CsvText | Sheet, Columns]
"""The member of a ZIP, or an empty text; the source and the columns."""


def _open_source(stream: BinaryIO, wanted: Wanted, *, member: str = "") -> _Opened:
    kind = recognise(stream.read(START))
    stream.seek(0)
    if kind is FileKind.TEXT:
        return member, *open_text(stream, wanted)
    if kind is FileKind.EMPTY:
        raise ImportRefusedError("le fichier est vide")
    if kind is FileKind.ZIP:
        return _open_zip(stream, wanted, member)
    raise wanted.refuse(f"c'est {kind.label}, et non un fichier CSV")


def _open_zip(stream: BinaryIO, wanted: Wanted, inside: str) -> _Opened:
    """Open a workbook, which is a ZIP, or the only file of an archive; `inside`: the archive holds this one."""
    try:
        with open_archive(stream, MOST_UNPACKED) as archive:
            names = [entry.filename for entry in list_files(archive)]
        if _WORKBOOK in names:
            return inside, *open_sheet(stream, wanted)
        if other := next((label for part, label in _OFFICE.items() if part in names), ""):
            raise wanted.refuse(f"c'est {other}")
        if inside:
            raise ImportRefusedError("ce ZIP contient un autre ZIP ; décompressez-les")
        member = _choose(names)
        with open_member(stream, member) as content:
            return _open_source(content, wanted, member=member)
    except UnreadableArchiveError as error:
        raise ImportRefusedError(str(error)) from None


def _choose(names: Sequence[str]) -> str:
    """Return the only candidate in an archive; files that macOS adds, and notes beside a table, do not count."""
    seen = [name for name in names if not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")]
    tables = [name for name in seen if PurePosixPath(name).suffix.lower() in _TABLES] or seen
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise ImportRefusedError("ce ZIP ne contient aucun fichier")
    raise ImportRefusedError(f"ce ZIP contient {len(tables)} fichiers ; décompressez-le, et donnez-les un par un")


@contextmanager
def open_member(stream: BinaryIO, member: str) -> Iterator[BinaryIO]:
    """Open one file of an archive as a stream; a workbook is loaded into memory, because it needs random access."""
    try:
        with open_archive(stream, MOST_UNPACKED) as archive, archive.open(member) as content:
            is_workbook = content.read(len(_ZIP)) == _ZIP
            content.seek(0)
            if not is_workbook:
                yield cast("BinaryIO", content)
            elif archive.getinfo(member).file_size > MOST_ZIPPED_WORKBOOK:
                raise ImportRefusedError("le classeur de ce ZIP est trop grand ; décompressez-le")
            else:
                yield BytesIO(content.read())
    except UnreadableArchiveError as error:
        raise ImportRefusedError(str(error)) from None


def unreadable(path: Path, error: OSError) -> ImportRefusedError:
    """Build the refusal, for the agent, of a file that the system cannot read."""
    match error:
        case FileNotFoundError():
            reason = "fichier introuvable"
        case IsADirectoryError():
            reason = "c'est un dossier, pas un fichier"
        case PermissionError():
            reason = "le système refuse de lire ce fichier"
        case _:
            reason = f"lecture impossible ({error.strerror})"
    return ImportRefusedError(f"{path} : {reason}", on_screen=f"{reason} ; déposez de nouveau le fichier")
