"""ZIP archives that others made: opened only where what comes out of them is bounded."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, cast

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
