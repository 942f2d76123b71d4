"""A file to import: its kind, its fingerprint, its records. Memory does not depend on its size."""

import hashlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from io import BufferedReader, BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from common.apart import Budget, TooMuchWorkError, run_apart
from common.file_kind import (
    START,
    FileKind,
    UnreadableArchiveError,
    list_files,
    open_archive,
    recognise,
)
from worker.errors import ImportRefusedError
from worker.registre.imports.sources import (
    Broken,
    Columns,
    CsvText,
    Record,
    Sheet,
    UnfitFileError,
    Wanted,
    find_source,
    open_sheets,
    open_text,
)

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
_MOST_TITLES = 16 << 20
"""Bytes of the first lines of all sheets."""
_LEAST_RECORDS, _MOST_RATIO = 64 << 20, 100
"""Bytes of the records of a file, and for each byte of it: what follows the reading has no limit of its own."""
_MOST_NAMED = 100
"""Characters of the name of a ZIP's member that are shown."""


def budget(size: int, most_bytes: int) -> Budget:
    """Return the limits for a file of this size. A workbook of 300,000 electors takes 130 seconds and 360 MiB (8 MiB).

    Three children and their callers have to fit into `mem_limit` of docker-compose.yml.
    """
    seconds = min(900, 10 + (30 * size >> 20))
    return Budget(seconds, 512 << 20, 60 + 4 * seconds, most_bytes)


@dataclass(frozen=True)
class ImportedFile:
    """A file to import whose titles were recognised."""

    path: Path
    size: int
    modified: int
    sha256: str
    source: CsvText | Sheet
    columns: Columns
    wanted: Wanted
    check: Callable[[], object]
    """See `run_apart`."""
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
        zipped = (
            (f"fichier lu dans le ZIP : {PurePosixPath(self.member).name}",) if self.member else ()
        )
        return (*zipped, *self.source.notes, *self.columns.notes)

    def has_changed(self) -> bool:
        """Return whether the file changed since it was opened, like a download that was not finished."""
        try:
            state = self.path.stat()
        except OSError:
            return True
        return (state.st_size, state.st_mtime_ns) != (self.size, self.modified)

    def iter_records(
        self, stream: BinaryIO, check: Callable[[], object]
    ) -> Generator[Record, None, None]:
        """Yield the lines after the titles, without blank lines, from a stream of the whole file (see `run_apart`)."""
        limits = budget(self.size, min(2 * MOST_UNPACKED, _LEAST_RECORDS + _MOST_RATIO * self.size))
        about = asdict(self.source), self.columns.width
        for number, fields in _read_apart(
            split_file, stream, self.wanted, limits, *about, check=check
        ):
            yield number, Broken(fields) if isinstance(fields, str) else fields


def open_file(
    path: Path, wanted: Wanted, *, named: str = "", check: Callable[[], object] = int
) -> ImportedFile:
    """Read the titles, and the whole file once for its SHA-256; `named`: the owner's name; `check`: see `run_apart`.

    Raises:
        ImportRefusedError: the file cannot be read, is empty, or is of another kind; the message names the kind.
    """
    with open_stream(path) as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        state = os.fstat(stream.fileno())
        stream.seek(0)
        try:
            limits = budget(state.st_size, _MOST_TITLES)
            found = _read_apart(find_titles, stream, wanted, limits, check=check)
            sources = ((member, _source_of(about), lines) for member, about, lines in found)
            member, source, columns = find_source(sources, wanted)
        except ImportRefusedError as refusal:
            name = named or path.name
            raise ImportRefusedError(
                f"{name} : {refusal}", on_screen=f"{name} : {refusal.on_screen}"
            ) from None
    return ImportedFile(
        path,
        state.st_size,
        state.st_mtime_ns,
        sha256,
        source,
        columns,
        wanted,
        check,
        member,
        named,
    )


def _source_of(about: dict[str, Any]) -> CsvText | Sheet:
    return CsvText(**about) if "encoding" in about else Sheet(**about)


def _read_apart(
    parser: Callable[..., Iterator[object]],
    stream: BinaryIO,
    wanted: Wanted,
    budget: Budget,
    *about: object,
    check: Callable[[], object],
) -> Iterator[Any]:
    refusals = UnfitFileError, UnreadableArchiveError, ImportRefusedError
    try:
        with closing(
            run_apart(parser, [stream], budget, *about, refusals=refusals, check=check)
        ) as values:
            yield from values
    except UnfitFileError as refusal:
        raise wanted.refuse(str(refusal)) from None
    except UnreadableArchiveError as refusal:
        raise ImportRefusedError(str(refusal)) from None
    except TooMuchWorkError as error:
        raise wanted.refuse(f"la lecture du fichier {error}") from None


def find_titles(stream: BinaryIO) -> Iterator[object]:
    """Yield the member of a ZIP, a source and its first lines, for each source; runs in the child process."""
    with _open_table(stream) as (member, content, kind):
        for source, lines in (
            open_sheets(content) if kind is FileKind.ZIP else [open_text(content, kind)]
        ):
            yield member[:_MOST_NAMED], asdict(source), lines


def split_file(stream: BinaryIO, about: dict[str, Any], width: int) -> Iterator[object]:
    """Yield the records of a source; runs in the child process."""
    with _open_table(stream) as (_, content, _):
        yield from _source_of(about).iter_records(content, width)


@contextmanager
def _open_table(stream: BinaryIO, member: str = "") -> Iterator[tuple[str, BinaryIO, FileKind]]:
    """Yield the name of the file in a ZIP, or `member`, then its stream and its kind; a workbook is a ZIP."""
    kind = recognise(stream.read(START))
    stream.seek(0)
    if kind is FileKind.EMPTY:
        raise ImportRefusedError("le fichier est vide")
    is_text = kind in {FileKind.TEXT, FileKind.UTF_16}
    if not is_text and kind is not FileKind.ZIP:
        raise UnfitFileError(f"c'est {kind}, et non un fichier CSV")
    names = []
    if kind is FileKind.ZIP:
        with open_archive(stream, MOST_UNPACKED) as archive:
            names = [entry.filename for entry in list_files(archive)]
        stream.seek(0)
    if is_text or _WORKBOOK in names:
        yield member, stream, kind
    elif other := next((label for part, label in _OFFICE.items() if part in names), ""):
        raise UnfitFileError(f"c'est {other}")
    elif member:
        raise ImportRefusedError("ce ZIP contient un autre ZIP ; décompressez-les")
    else:
        with (
            _open_member(stream, _choose(names)) as content,
            _open_table(content, _choose(names)) as opened,
        ):
            yield opened


def _choose(names: Sequence[str]) -> str:
    """Return the only candidate in an archive; files that macOS adds, and notes beside a table, do not count."""
    seen = [
        name
        for name in names
        if not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")
    ]
    tables = [name for name in seen if PurePosixPath(name).suffix.lower() in _TABLES] or seen
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise ImportRefusedError("ce ZIP ne contient aucun fichier")
    raise ImportRefusedError(
        f"ce ZIP contient {len(tables)} fichiers ; décompressez-le, et donnez-les un par un"
    )


@contextmanager
def _open_member(stream: BinaryIO, member: str) -> Iterator[BinaryIO]:
    """Open one file of an archive as a stream; a workbook is loaded into memory, because it needs random access."""
    with open_archive(stream, MOST_UNPACKED) as archive, archive.open(member) as content:
        is_workbook = content.read(len(_ZIP)) == _ZIP
        content.seek(0)
        if is_workbook and archive.getinfo(member).file_size > MOST_ZIPPED_WORKBOOK:
            raise ImportRefusedError("le classeur de ce ZIP est trop grand ; décompressez-le")
        yield BytesIO(content.read()) if is_workbook else cast("BinaryIO", content)


def open_stream(path: Path) -> BufferedReader:
    """Open a file to import; raises ImportRefusedError if the system refuses."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        reason = "fichier introuvable"
    except IsADirectoryError:
        reason = "c'est un dossier, pas un fichier"
    except PermissionError:
        reason = "le système refuse de lire ce fichier"
    except OSError as error:
        reason = f"lecture impossible ({error.strerror})"
    raise ImportRefusedError(
        f"{path} : {reason}", on_screen=f"{reason} ; déposez de nouveau le fichier"
    )
