"""What a file is by its first bytes, whatever its name says: for the imports and for what is uploaded to be checked."""

import codecs
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import IO, Any, Self, cast

START = 1 << 12
"""Bytes that are enough to tell."""


class FileKind(StrEnum):
    """What the bytes are; `label` is French, as in « c'est … »."""

    _value_: str
    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        """Make a member; a lookup names the value alone."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    EMPTY = "empty", "un fichier vide"
    TEXT = "text", "un fichier de texte"
    UTF_16 = "utf-16", "un texte en UTF-16 (« Texte Unicode » d'un tableur)"
    HTML = "html", "une page web (HTML), comme celle d'une session expirée"
    XML = "xml", "un fichier XML"
    JSON = "json", "une réponse d'un programme (JSON), souvent un message d'erreur"
    PDF = "pdf", "un PDF"
    IMAGE = "image", "une image"
    ZIP = "zip", "une archive ZIP"
    COMPRESSED = "compressed", "une archive compressée (gzip, 7z, RAR…)"
    OLD_OFFICE = "old-office", "un ancien classeur Excel (.xls), ou un classeur protégé par un mot de passe"
    RICH_TEXT = "rich-text", "un document de traitement de texte (RTF)"
    ZEROS = "zeros", "un fichier rempli d'octets nuls, abîmé par le disque ou par la copie"
    BINARY = "binary", "un fichier binaire, qui n'a rien d'un texte"


_SIGNATURES = (
    (b"%PDF-", FileKind.PDF),
    (b"PK\3\4", FileKind.ZIP),
    (b"PK\5\6", FileKind.ZIP),  # one without any file
    (b"\xd0\xcf\x11\xe0", FileKind.OLD_OFFICE),
    (b"\x1f\x8b", FileKind.COMPRESSED),
    (b"7z\xbc\xaf", FileKind.COMPRESSED),
    (b"Rar!", FileKind.COMPRESSED),
    (b"BZh", FileKind.COMPRESSED),
    (b"\xfd7zXZ", FileKind.COMPRESSED),
    (b"\x28\xb5\x2f\xfd", FileKind.COMPRESSED),  # zstd
    (b"\x89PNG", FileKind.IMAGE),
    (b"\xff\xd8\xff", FileKind.IMAGE),  # JPEG
    (b"GIF8", FileKind.IMAGE),
    (b"II*\0", FileKind.IMAGE),  # TIFF, as scanners write it
    (b"MM\0*", FileKind.IMAGE),
    (b"{\\rtf", FileKind.RICH_TEXT),
)
_BOMS_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32's other one begins as UTF-16's
_HTML = re.compile(
    rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body|script|meta|table)\b", re.IGNORECASE | re.DOTALL
)
_XHTML = re.compile(rb"<html\b", re.IGNORECASE)
_XML = re.compile(rb"\s*<(?:\?xml|[A-Za-z])")
_JSON = re.compile(rb"""\s*(?:\{\s*["}]|\[\s*[\{\]])""")
_CONTROLS = bytes({*range(32), 127} - set(b"\t\n\r\f\x1b"))
_MOST_CONTROLS = 20
"""One byte of the first line in so many: a text has hardly any."""
_MOST_NULS_UTF_16 = 3
"""Two thirds of the bytes at one parity: letters of Western languages in UTF-16."""


def recognise(start: bytes) -> FileKind:
    """What the file is that begins so; START bytes of it, or all of them, are looked at."""
    start = start[:START]
    if not start.removeprefix(codecs.BOM_UTF8).strip():
        return FileKind.EMPTY
    for signature, kind in _SIGNATURES:
        if start.startswith(signature):
            return kind
    if _is_utf_16(start):
        return FileKind.UTF_16
    return _recognise_text(start.removeprefix(codecs.BOM_UTF8))


def _is_utf_16(start: bytes) -> bool:
    """By its mark, or by the zero that stands beside every letter."""
    if start.startswith(_BOMS_UTF_16):
        return True
    places = start[0::2], start[1::2]
    nuls = [place.count(0) for place in places]
    return any(
        mine * _MOST_NULS_UTF_16 > len(place) * 2 and other * _MOST_NULS_UTF_16 < len(place)
        for mine, other, place in zip(nuls, reversed(nuls), places, strict=True)
    )


def _recognise_text(start: bytes) -> FileKind:
    if _HTML.match(start):
        return FileKind.HTML
    if _XML.match(start):
        return FileKind.HTML if _XHTML.search(start) else FileKind.XML
    if _JSON.match(start):
        return FileKind.JSON
    line = start.split(b"\n", 1)[0]
    if not line.strip(b"\0"):
        return FileKind.ZEROS
    controls = len(line) - len(line.translate(None, _CONTROLS))
    return FileKind.BINARY if controls * _MOST_CONTROLS > len(line) else FileKind.TEXT


MOST_ENTRIES = 200

_MOST_AT_ONCE = 1 << 20
"""Bytes: the directory of many more files than we want is larger, and zipfile would read it whole."""

_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Those whose content comes out in pieces, however much it grows."""

_TOO_LARGE = "ce ZIP contient trop de fichiers, ou de trop grands"


class UnreadableArchiveError(Exception):
    """It cannot be opened, or should not be; the message is for the clerk."""


@contextmanager
def open_archive(file: IO[bytes], most_bytes: int) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose files, once out of it, have no more bytes than that; nothing is read beyond their sizes.

    Raises:
        UnreadableArchiveError: damaged, protected by a password, too many files or too large once extracted; also
            from within the block, where the content turns out to be damaged.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _Sparing(file))) as archive:
            entries = list_files(archive)
            if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > most_bytes:
                raise UnreadableArchiveError(_TOO_LARGE)
            for entry in entries:
                _check_entry(entry)
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, UnicodeDecodeError, zlib.error):
        raise UnreadableArchiveError("ce ZIP est abîmé : téléchargez-le de nouveau") from None


def list_files(archive: zipfile.ZipFile) -> Sequence[zipfile.ZipInfo]:
    """The files of an archive, without its folders."""
    return [entry for entry in archive.infolist() if not entry.is_dir()]


def _check_entry(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & 1:
        raise UnreadableArchiveError("ce ZIP est protégé par un mot de passe : le module ne peut pas le lire")
    if entry.compress_type not in _METHODS:
        raise UnreadableArchiveError("ce ZIP est compressé d'une façon que le module ne lit pas : refaites-le")


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
