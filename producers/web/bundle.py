"""A ZIP that somebody drops: its files one by one, when they are few and not too large."""

import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, cast

from producers.web.dropped import Dropped, examine
from producers.web.security.body import FILE_BYTES

MOST_ENTRIES = 200

_MOST_AT_ONCE = 1 << 20
"""Bytes: the directory of many more files than we want is larger, and zipfile would read it whole."""

_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Those whose content comes out in pieces, however much it grows."""

_TOO_LARGE = "Ce ZIP contient trop de fichiers, ou de trop grands."


class UnreadableBundleError(Exception):
    """It cannot be opened, or should not be; the message is for the clerk."""


def examine_bundle(file: IO[bytes]) -> Iterator[Dropped]:
    """What can be said of each file of an archive; the name is the whole path.

    Raises:
        UnreadableBundleError: damaged, protected by a password, too many files or too large once extracted.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _Sparing(file))) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > FILE_BYTES:
                raise UnreadableBundleError(_TOO_LARGE)
            for entry in entries:
                yield _examine_entry(archive, entry)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, UnicodeDecodeError, zlib.error):
        raise UnreadableBundleError("Ce ZIP est abîmé : téléchargez-le de nouveau.") from None


def _examine_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Dropped:
    if entry.flag_bits & 1:
        raise UnreadableBundleError("Ce ZIP est protégé par un mot de passe : le module ne peut pas le lire.")
    if entry.compress_type not in _METHODS:
        raise UnreadableBundleError("Ce ZIP est compressé d'une façon que le module ne lit pas : refaites-le.")
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
            raise UnreadableBundleError(_TOO_LARGE)
        return piece

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever else a file does
        return getattr(self._file, name)
