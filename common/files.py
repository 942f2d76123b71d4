"""Files that may hold electors: private to their group, opened as they are, hashed a piece at a time.

Among them those that people open in a spreadsheet: semicolons, a byte order mark, and no value that becomes a formula
(source: OWASP, « CSV Injection »). Not the official file, which is as the arrêté wants it.
"""

import csv
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Protocol

CHUNK = 1 << 18
"""Bytes read at once."""


class NotRegularError(OSError):
    """Something else than a file stands in its place: a pipe, a socket."""


def keep_files_private() -> None:
    """Set the process's umask: files for the owner and the group only; each entry point calls it first."""
    os.umask(0o027)


def open_regular(path: Path | str, *, directory: int | None = None) -> FileIO:
    """Open a file to read it, unbuffered: no link is followed, and no pipe in its place is waited for.

    `directory` is the descriptor that a relative path starts from.

    Raises:
        OSError: it is not there, cannot be read, or is a link (ELOOP) or a directory.
        NotRegularError: it is something else than a file.
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
    """Open a file by plain names from the root, one directory at a time; the root may be a link, as a mount can be.

    Raises:
        OSError: as `open_regular`, of the file or of a directory on the way.
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


def hash_file(file: BinaryIO, read: Callable[[int], object] = int) -> tuple[int, str]:
    """The size and the SHA-256 of what is left to read; `read` is told how many bytes were just read."""
    digest, size = hashlib.sha256(), 0
    while piece := file.read(CHUNK):
        digest.update(piece)
        size += len(piece)
        read(len(piece))
    return size, digest.hexdigest()


ENCODING = "utf-8-sig"
SEPARATOR = ";"
END_OF_LINE = "\r\n"

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are = + - @ of full width, which some spreadsheets take for the others."""
_MARK = "'"


class Text(Protocol):
    """Where lines are written."""

    def write(self, text: str, /) -> object:
        """Take a piece of a line."""


class SheetWriter:
    """Writes lines; every text among their values is made harmless, a number is a number."""

    def __init__(self, text: Text) -> None:
        self._writer = csv.writer(text, delimiter=SEPARATOR, lineterminator=END_OF_LINE)

    def write(self, values: Iterable[object]) -> None:
        """Write one line."""
        self._writer.writerow([disarm(value) if isinstance(value, str) else value for value in values])


def disarm(value: str) -> str:
    """The value as a spreadsheet takes it for text: behind an apostrophe, if it would begin as a formula."""
    return f"{_MARK}{value}" if _is_dangerous(value) else value


def rearm(value: str) -> str:
    """The value that `disarm` was given."""
    return value[1:] if value.startswith(_MARK) and _is_dangerous(value) else value


def _is_dangerous(value: str) -> bool:
    """Whether it begins as a formula, behind apostrophes too: what was written can so be read back."""
    return value.lstrip(_MARK).startswith(_FORMULA_STARTS)
