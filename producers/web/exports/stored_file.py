"""Files of the exports volume, opened for a download: never by a name of the address, never when they were altered."""

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
    """The volume does not have it, or does not give it."""


class FileAlteredError(Exception):
    """What is there is not what the record says: another size, other bytes, or no regular file."""


@dataclass(frozen=True)
class Recorded:
    """A file as its record describes it: where, how large, which bytes."""

    code_commune: str
    name: str
    size: int
    sha256: str


@dataclass
class Delivery:
    """A verified file on its way: an iterator over the bytes of one open file, which cannot be swapped."""

    recorded: Recorded
    file: BinaryIO
    start: int = 0
    stop: int = -1
    """The byte after the last that is sent; -1: all of them."""
    is_complete: bool = field(default=False, init=False)
    """Whether the last byte was taken."""

    def __post_init__(self) -> None:
        if self.stop < 0:
            self.stop = self.recorded.size

    def only(self, start: int, stop: int) -> Self:
        """The same, of these bytes."""
        return replace(self, start=start, stop=stop)

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, once; the file is closed at the end, however it comes."""
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
        """Let go of the file; a second time does nothing."""
        self.file.close()


def record_of(asked: AskedFile, piece: Piece = Piece.FICHIER) -> Recorded | None:
    """What the record says of a file, or of one beside it; None while it is not made, or there is none."""
    known = asked if piece is Piece.FICHIER else asked.pieces.get(piece)
    if not asked.is_ready or known is None or known.size is None or known.sha256 is None:
        return None
    return Recorded(asked.code_commune, known.file_name, known.size, known.sha256)


def open_asked(root: Path, asked: AskedFile, piece: Piece = Piece.FICHIER) -> Delivery:
    """Open and check a file that was asked for, or what is beside it, as `open_file` does.

    Raises:
        FileGoneError: it was not made either.
        FileAlteredError: it is not the file of the record.
    """
    recorded = record_of(asked, piece)
    if recorded is None:
        raise FileGoneError(asked.file_name)
    return open_file(root, recorded)


def open_file(root: Path, recorded: Recorded) -> Delivery:
    """Open and check a file of the record: size, then every byte.

    Symbolic links are not followed, and what is open stays open: a file that is replaced meanwhile changes nothing.

    Raises:
        FileGoneError: there is no such file or volume, or not for this account.
        FileAlteredError: it is not the file of the record.
    """
    steps = check_code_commune(recorded.code_commune), _check_name(recorded.name)
    try:
        file = BufferedReader(open_beneath(root, *steps))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise FileGoneError(recorded.name) from None
    except OSError:  # a link (ELOOP), a socket (ENXIO), a folder
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
