"""Opens files of the exports volume for a download: by their record, never by a name of the URL, never if altered."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Self

from common.files import CHUNK, hash_file, open_beneath
from producers.web.exports.query import AskedFile
from schemas.requests import check_code_commune
from schemas.vocabulary import Piece


class FileGoneError(Exception):
    """The volume does not have the file, or refuses access."""


class FileAlteredError(Exception):
    """The file differs from its record: another size or other bytes, or not a regular file."""


@dataclass(frozen=True)
class Recorded:
    """A file according to its record: place, size and digest."""

    code_commune: str
    name: str
    size: int
    sha256: str


@dataclass
class Delivery:
    """A verified file to send: iterates over the bytes of one open file, which cannot be replaced."""

    recorded: Recorded
    file: BinaryIO
    start: int = 0
    stop: int = -1
    """End of the range (exclusive); -1: end of the file."""
    is_complete: bool = field(default=False, init=False)
    """Whether the last byte was sent."""

    def __post_init__(self) -> None:
        if self.stop < 0:
            self.stop = self.recorded.size

    def only(self, start: int, stop: int) -> Self:
        """Return a copy limited to this range."""
        return replace(self, start=start, stop=stop)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes, once; close the file at the end or after an error."""
        left = self.stop - self.start
        try:
            self.file.seek(self.start)
            while left and (chunk := self.file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
            self.is_complete = left == 0
        finally:
            self.close()

    def close(self) -> None:
        """Close the file; idempotent."""
        self.file.close()


def record_of(asked: AskedFile, piece: Piece = Piece.FICHIER) -> Recorded | None:
    """Return the record of a file or of one that accompanies it; None if it is not made, or if there is none."""
    known = asked if piece is Piece.FICHIER else asked.pieces.get(piece)
    if not asked.is_ready or known is None or known.size is None or known.sha256 is None:
        return None
    return Recorded(asked.code_commune, known.file_name, known.size, known.sha256)


def open_asked(root: Path, asked: AskedFile, piece: Piece = Piece.FICHIER) -> Delivery:
    """Open and check a requested file, or one that accompanies it, as `open_file` does.

    Raises:
        FileGoneError: the file was not made, or does not exist.
        FileAlteredError: the file differs from its record.
    """
    recorded = record_of(asked, piece)
    if recorded is None:
        raise FileGoneError(asked.file_name)
    return open_file(root, recorded)


def open_file(root: Path, recorded: Recorded) -> Delivery:
    """Open a file and check its size and every byte against the record.

    Symbolic links are not followed. The returned file stays open, so that a later replacement has no effect.

    Raises:
        FileGoneError: the file or the volume does not exist, or this account may not read it.
        FileAlteredError: the file differs from its record.
    """
    steps = check_code_commune(recorded.code_commune), _check_name(recorded.name)
    try:
        file = BufferedReader(open_beneath(root, *steps))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise FileGoneError(recorded.name) from None
    except OSError:  # a link (ELOOP), a socket (ENXIO), a directory
        raise FileAlteredError(recorded.name) from None
    try:
        is_intact = os.fstat(file.fileno()).st_size == recorded.size and hash_file(file)[1] == recorded.sha256
        file.seek(0)
    except BaseException:
        file.close()
        raise
    if not is_intact:
        file.close()
        raise FileAlteredError(recorded.name)
    return Delivery(recorded, file)


def _check_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise FileGoneError(name)
    return name
