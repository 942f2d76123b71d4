"""The kind of a file by its first bytes, whatever its name, for imports and for files uploaded to be checked."""

import codecs
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from io import SEEK_END
from typing import IO

START = 1 << 12
"""Number of bytes that `recognise` examines."""


class FileKind(StrEnum):
    """The kind of a file, in French words that follow « c'est »."""

    EMPTY = "un fichier vide"
    TEXT = "un fichier de texte"
    UTF_16 = "un texte en UTF-16 (« Texte Unicode » d'un tableur)"
    HTML = "une page web (HTML), comme celle d'une session expirée"
    XML = "un fichier XML"
    JSON = "une réponse d'un programme (JSON), souvent un message d'erreur"
    PDF = "un PDF"
    IMAGE = "une image"
    ZIP = "une archive ZIP"
    COMPRESSED = "une archive compressée (gzip, 7z, RAR…)"
    OLD_OFFICE = "un ancien classeur Excel (.xls), ou un classeur protégé par un mot de passe"
    RICH_TEXT = "un document de traitement de texte (RTF)"
    ZEROS = "un fichier rempli d'octets nuls, abîmé par le disque ou par la copie"
    BINARY = "un fichier binaire, qui n'a rien d'un texte"


_SIGNATURES = (
    (b"%PDF-", FileKind.PDF),
    (b"PK\3\4", FileKind.ZIP),
    (b"PK\5\6", FileKind.ZIP),  # an archive without files
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
_BOMS_UTF_16 = (
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
    codecs.BOM_UTF32_BE,
)  # UTF-32 LE begins as UTF-16 LE
_HTML = re.compile(
    rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body|script|meta|table)\b",
    re.IGNORECASE | re.DOTALL,
)
_XHTML = re.compile(rb"<html\b", re.IGNORECASE)
_XML = re.compile(rb"\s*<(?:\?xml|[A-Za-z])")
_JSON = re.compile(rb"""\s*(?:\{\s*["}]|\[\s*[\{\]])""")
_CONTROLS = bytes({*range(32), 127} - set(b"\t\n\r\f\x1b"))
_MOST_CONTROLS = 20
"""A file is binary if more than one byte in this many of its first line is a control character."""
_MOST_NULS_UTF_16 = 3
"""UTF-16 of Western languages: more than 2/3 of the bytes at one parity are NUL, less than 1/3 at the other."""


def recognise(start: bytes) -> FileKind:
    """Return the kind of a file from its first START bytes, or from the whole of a shorter file."""
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
    """Whether the text has a byte order mark of UTF-16, or a NUL beside nearly every letter."""
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
_LEAST_BYTES, _MOST_RATIO = 4 << 20, 100
"""Bytes of an archive once extracted, and for each byte of it: an export has 10, a bomb 1,000."""

_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Compression methods that zipfile decompresses in pieces, whatever the ratio."""


class UnreadableArchiveError(Exception):
    """The archive cannot be opened, or is refused; the message is for the clerk."""


@contextmanager
def open_archive(file: IO[bytes], most_bytes: int) -> Iterator[zipfile.ZipFile]:
    """Open an archive of at most `most_bytes` bytes once extracted, fewer if it is small; only the sizes are read.

    Raises:
        UnreadableArchiveError: damaged, protected by a password, too many files or too large once extracted; also from
            within the block, when the content is damaged.
    """
    try:
        most_bytes = min(most_bytes, _LEAST_BYTES + _MOST_RATIO * file.seek(0, SEEK_END))
        with zipfile.ZipFile(file) as archive:
            entries = list_files(archive)
            if (
                len(entries) > MOST_ENTRIES
                or sum(entry.file_size for entry in entries) > most_bytes
            ):
                raise UnreadableArchiveError(
                    "ce ZIP contient trop de fichiers, ou de trop grands : envoyez un CSV"
                )
            if any(entry.flag_bits & 1 for entry in entries):
                raise UnreadableArchiveError(
                    "ce ZIP est protégé par un mot de passe : le module ne peut pas le lire"
                )
            if any(entry.compress_type not in _METHODS for entry in entries):
                raise UnreadableArchiveError(
                    "ce ZIP est compressé d'une façon que le module ne lit pas : refaites-le"
                )
            yield archive
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        OSError,
        UnicodeDecodeError,
        zlib.error,
    ):
        raise UnreadableArchiveError("ce ZIP est abîmé : téléchargez-le de nouveau") from None


def list_files(archive: zipfile.ZipFile) -> Sequence[zipfile.ZipInfo]:
    """Return the files of an archive, without its folders."""
    return [entry for entry in archive.infolist() if not entry.is_dir()]
