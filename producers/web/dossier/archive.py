"""A ZIP that leaves as it is written: nothing is kept on the disk, and its size is known before its first byte.

Entries are stored as they are, so that the same files make the same bytes with any version of any library. Format:
PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory) and 4.3.16 (its end).
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

LARGEST = 2**32 - 1
"""Bytes of an archive without the extensions for large ones."""

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION = 10
"""Of the format: 1.0, stored entries."""
_UNIX, _MODE = 3 << 8, 0o100644 << 16


class ArchiveTooLargeError(Exception):
    """The files do not fit in one archive."""


class ContentChangedError(Exception):
    """A file is not any more what it was when its header was written; the archive stays unfinished."""


@dataclass(frozen=True)
class ArchiveEntry:
    """A file of the archive: its path (ASCII), its size, CRC-32 and content, and the date that it bears."""

    path: str
    size: int
    crc: int
    moment: datetime
    content: Iterable[bytes]

    @classmethod
    def of_text(cls, path: str, text: bytes, moment: datetime) -> "ArchiveEntry":
        """A small file that is at hand."""
        return cls(path, len(text), zlib.crc32(text), moment, [text])

    @property
    def name(self) -> bytes:
        """The path as the archive holds it."""
        return self.path.encode("ascii")

    @property
    def stamp(self) -> tuple[int, int]:
        """Time and date as MS-DOS wrote them, to two seconds."""
        it = self.moment
        return it.hour << 11 | it.minute << 5 | it.second // 2, (it.year - 1980) << 9 | it.month << 5 | it.day


def archive_size(entries: Sequence[ArchiveEntry]) -> int:
    """How many bytes `write_archive` gives.

    Raises:
        ArchiveTooLargeError: more than such an archive can hold.
    """
    headers = sum(_LOCAL.size + _CENTRAL.size + 2 * len(entry.name) for entry in entries)
    size = headers + sum(entry.size for entry in entries) + _END.size
    if size > LARGEST:
        raise ArchiveTooLargeError
    return size


def write_archive(entries: Sequence[ArchiveEntry]) -> Iterator[bytes]:
    """The bytes of the archive, in pieces.

    Raises:
        ContentChangedError: a content has not the size or the CRC-32 that were announced.
    """
    directory: list[bytes] = []
    offset = 0
    for entry in entries:
        sizes = entry.crc, entry.size, entry.size
        yield _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, *entry.stamp, *sizes, len(entry.name), 0) + entry.name
        yield from _checked(entry)
        made_by, names = _UNIX | _VERSION, (len(entry.name), 0, 0, 0, 0)
        fixed = (made_by, _VERSION, 0, 0, *entry.stamp, *sizes, *names, _MODE, offset)
        directory.append(_CENTRAL.pack(b"PK\1\2", *fixed) + entry.name)
        offset += _LOCAL.size + len(entry.name) + entry.size
    central = b"".join(directory)
    yield central + _END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), len(central), offset, 0)


def _checked(entry: ArchiveEntry) -> Iterator[bytes]:
    crc, size = 0, 0
    for chunk in entry.content:
        crc, size = zlib.crc32(chunk, crc), size + len(chunk)
        yield chunk
    if (crc, size) != (entry.crc, entry.size):
        raise ContentChangedError(entry.path)
