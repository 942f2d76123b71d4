"""Files that may hold electors: private to their group, opened as they are, hashed a piece at a time."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

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
