"""Files that may hold data of electors: private to their group, opened without following links, hashed in pieces.

CSV files for spreadsheets use semicolons and a byte order mark, and no value is read as a formula (source: OWASP,
« CSV Injection »). The official file does not: it follows the arrêté.
"""

import csv
import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

CHUNK = 1 << 18
"""Bytes per read."""


class Sink(Protocol):
    """A file being written."""

    def write(self, data: bytes, /) -> object:
        """Append `data` to the file."""


class NotRegularError(OSError):
    """The path is a pipe, a socket or a device, not a regular file."""


def keep_files_private() -> None:
    """Set the umask: only the owner and the group read the files. Each entry point calls it first."""
    os.umask(0o027)


def open_regular(path: Path | str, *, directory: int | None = None) -> FileIO:
    """Open a regular file for reading, unbuffered, without following a link or waiting for a pipe.

    `directory` is the descriptor of the folder that a relative path starts from.

    Raises:
        OSError: the file does not exist, cannot be read, is a link (ELOOP) or is a directory.
        NotRegularError: the path is not a regular file.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, dir_fd=directory)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return FileIO(descriptor)
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise NotRegularError(errno.EINVAL, "not a regular file")


def open_beneath(root: Path, *steps: str) -> FileIO:
    """Open a file by plain names from `root`, one directory at a time; only `root` may be a link, such as a mount.

    Raises:
        OSError: as `open_regular`, for the file or for a directory of the path.
    """
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step in steps[:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            inner = os.open(step, flags, dir_fd=directory)
            os.close(directory)
            directory = inner
        return open_regular(steps[-1], directory=directory)
    finally:
        with suppress(OSError):
            os.close(directory)


def hash_file(file: BinaryIO) -> tuple[int, str]:
    """Return the size and SHA-256 of the rest of a file."""
    digest, size = hashlib.sha256(), 0
    while piece := file.read(CHUNK):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


ENCODING = "utf-8-sig"
SEPARATOR = ";"
END_OF_LINE = "\r\n"

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are = + - @ in full width, which some spreadsheets treat as the ASCII characters."""
_MARK = "'"


class SheetWriter:
    """Writes lines of CSV; texts are protected by `disarm`, numbers stay numbers."""

    def __init__(self, text: TextIO) -> None:
        self._writer = csv.writer(text, delimiter=SEPARATOR, lineterminator=END_OF_LINE)

    def write(self, values: Iterable[object]) -> None:
        """Write one line."""
        self._writer.writerow(
            [disarm(value) if isinstance(value, str) else value for value in values]
        )


def disarm(value: str) -> str:
    """Return the value as a spreadsheet reads it as text: with an apostrophe before it if it looks like a formula."""
    return f"{_MARK}{value}" if _is_dangerous(value) else value


def rearm(value: str) -> str:
    """Return the value that was given to `disarm`."""
    return value[1:] if value.startswith(_MARK) and _is_dangerous(value) else value


def _is_dangerous(value: str) -> bool:
    """Whether the value looks like a formula, leading apostrophes apart, so that `rearm` reverses `disarm`."""
    return value.lstrip(_MARK).startswith(_FORMULA_STARTS)
