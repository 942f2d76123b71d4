"""A file that is uploaded to be checked, or the files of a ZIP: what its bytes say by themselves; kept nowhere."""

import codecs
import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

from common.files import CHUNK
from producers.web.security.limits import FILE_BYTES

COLUMNS = 29
"""Of the CSV of a list. Arrêté du 12 novembre 2013, art. 2."""

_NAME = re.compile(r"((?:liste|tableau)-[A-Za-z0-9_-]+-\d{8}-\d{6})(-(?:csv|xml|pdf)-anomalies)?", re.ASCII)
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,5})$", re.ASCII)
_ZIP, _OLE = b"PK\3\4", b"\xd0\xcf\x11\xe0"

MOST_ENTRIES = 200

_MOST_AT_ONCE = 1 << 20
"""Bytes: the directory of many more files than we want is larger, and zipfile would read it whole."""

_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Those whose content comes out in pieces, however much it grows."""

_TOO_LARGE = "Ce ZIP contient trop de fichiers, ou de trop grands."


@dataclass(frozen=True)
class UploadedFile:
    """What the bytes say by themselves; `lines` counts ends of lines, and a last line without one."""

    name: str
    size: int
    sha256: str
    starts: bytes
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
        return self.starts.startswith(_ZIP)

    @property
    def is_old_workbook(self) -> bool:
        """Whether it is a workbook of before 2007 (.xls)."""
        return self.starts.startswith(_OLE)

    @property
    def likely_names(self) -> list[str]:
        """The names that it may have had before a browser or a person changed its own."""
        match = _NAME.search(self.name)
        if not match:
            return []
        if match[2]:
            return [f"{match[0]}.csv"]
        known = ("csv", "xml", "pdf")
        extensions = [*([self.extension] if self.extension in known else []), *known]
        return [f"{match[0]}.{extension}" for extension in dict.fromkeys(extensions)]


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
        starts=starts[:8],
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


class UnreadableArchiveError(Exception):
    """It cannot be opened, or should not be; the message is for the clerk."""


def examine_archive(file: IO[bytes]) -> Iterator[UploadedFile]:
    """What can be said of each file of an archive; the name is the whole path.

    Raises:
        UnreadableBundleError: damaged, protected by a password, too many files or too large once extracted.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _Sparing(file))) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > FILE_BYTES:
                raise UnreadableArchiveError(_TOO_LARGE)
            for entry in entries:
                yield _examine_entry(archive, entry)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, UnicodeDecodeError, zlib.error):
        raise UnreadableArchiveError("Ce ZIP est abîmé : téléchargez-le de nouveau.") from None


def _examine_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> UploadedFile:
    if entry.flag_bits & 1:
        raise UnreadableArchiveError("Ce ZIP est protégé par un mot de passe : le module ne peut pas le lire.")
    if entry.compress_type not in _METHODS:
        raise UnreadableArchiveError("Ce ZIP est compressé d'une façon que le module ne lit pas : refaites-le.")
    with archive.open(entry) as content:
        return examine(content, entry.filename)


class _Sparing:
    """A file that is not read in large pieces."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """A small piece."""
        piece = self._file.read(min(size, _MOST_AT_ONCE + 1) if size >= 0 else _MOST_AT_ONCE + 1)
        if len(piece) > _MOST_AT_ONCE:
            raise UnreadableArchiveError(_TOO_LARGE)
        return piece

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever else a file does
        return getattr(self._file, name)
