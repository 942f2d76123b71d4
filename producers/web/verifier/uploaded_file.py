"""A file that is uploaded to be checked, or the files of a ZIP: what its bytes say by themselves; kept nowhere."""

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from common.file_kind import START, FileKind, list_files, open_archive, recognise
from common.files import CHUNK
from schemas.vocabulary import PIECES, FileFormat

ARCHIVE_BYTES = 512 << 20
"""Of all that an archive holds, once it is out of it: as much as may be uploaded."""

COLUMNS = 29
"""Of the CSV of a list. Arrêté du 12 novembre 2013, art. 2."""

_PIECES = {stem: extension for stem, _, extension in (it.suffix.rpartition(".") for it in PIECES.values())}
_NAME = re.compile(
    r"(?P<file>(?:liste|tableau)-[A-Za-z0-9_-]+-\d{8}-\d{6})(?P<number>-[2-9]|-[1-9]\d{1,4})?"
    rf"(?P<piece>-(?:{'|'.join(FileFormat)})-(?:{'|'.join(_PIECES)}))?",
    re.ASCII,
)
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,5})$", re.ASCII)


@dataclass(frozen=True)
class UploadedFile:
    """What the bytes say by themselves; `lines` counts ends of lines, and a last line without one."""

    name: str
    size: int
    sha256: str
    kind: FileKind
    """By its first bytes."""
    lines: int
    has_bom: bool
    has_crlf: bool
    is_utf8: bool
    separator: str
    """Of the first line: the one of `;`, `,` and tab that it holds most of; empty when it holds none."""
    has_quotes: bool

    @property
    def extension(self) -> str:
        """The last part of its name, in small letters."""
        match = _EXTENSION.search(self.name)
        return match[1].lower() if match else ""

    @property
    def is_zip(self) -> bool:
        """Whether it is an archive; a workbook is one too."""
        return self.kind is FileKind.ZIP

    @property
    def is_old_workbook(self) -> bool:
        """Whether it is a workbook of before 2007 (.xls)."""
        return self.kind is FileKind.OLD_OFFICE

    @property
    def likely_names(self) -> list[str]:
        """The names that it may have had before a browser or a person changed its own."""
        match = _NAME.search(self.name)
        if not match:
            return []
        if match["piece"]:
            return [f"{match[0]}.{_PIECES[match['piece'].rpartition('-')[2]]}"]
        extensions = [*([self.extension] if self.extension in set(FileFormat) else []), *FileFormat]
        stems = dict.fromkeys((match[0], match["file"]))  # a browser may have added the number itself
        return [f"{stem}.{extension}" for stem in stems for extension in dict.fromkeys(extensions)]


def examine(file: IO[bytes], name: str) -> UploadedFile:
    """Read a file from its beginning to its end, in pieces."""
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    size, ends, is_utf8, has_crlf, has_quotes = 0, 0, True, False, False
    starts = last = b""
    file.seek(0)
    while chunk := file.read(CHUNK):
        if size < CHUNK:
            starts += chunk[: CHUNK - size]
        digest.update(chunk)
        size += len(chunk)
        ends += chunk.count(b"\n")
        has_crlf = has_crlf or b"\r\n" in last + chunk
        has_quotes = has_quotes or b'"' in chunk
        if is_utf8:
            is_utf8 = _decodes(decoder, chunk)
        last = chunk[-1:]
    is_utf8 = is_utf8 and _decodes(decoder, b"", final=True)
    return UploadedFile(
        name=name.replace("\\", "/").rpartition("/")[2][:255],
        size=size,
        sha256=digest.hexdigest(),
        kind=recognise(starts[:START]),
        lines=ends + (1 if size and last != b"\n" else 0),
        has_bom=starts.startswith(codecs.BOM_UTF8),
        has_crlf=has_crlf,
        is_utf8=is_utf8,
        separator=_separator(starts.partition(b"\n")[0]),
        has_quotes=has_quotes,
    )


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _separator(line: bytes) -> str:
    counts = {mark: line.count(mark) for mark in (b";", b",", b"\t")}
    best = max(counts, key=lambda mark: counts[mark])
    return best.decode() if counts[best] else ""


def examine_archive(file: IO[bytes]) -> Iterator[UploadedFile]:
    """What can be said of each file of an archive; the name is the whole path.

    Raises:
        UnreadableArchiveError: damaged, protected by a password, too many files or too large once extracted.
    """
    with open_archive(file, ARCHIVE_BYTES) as archive:
        for entry in list_files(archive):
            with archive.open(entry) as content:
                yield examine(content, entry.filename)
