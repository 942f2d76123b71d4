"""Whether a file of the volume is still the one that was made: read whole, a piece at a time."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO

from worker.exports.storage import BUFFER, DIRECTORY_MODE, FILE_MODE

Read = Callable[[int], None]
"""Is told how many bytes were just read."""


class Fault(StrEnum):
    """What is wrong with a file; all but the last mean that it must not be used."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    ALTERED = "altered"
    PERMISSIONS = "permissions"

    @property
    def label(self) -> str:
        """What an operator reads."""
        return _LABELS[self]


_LABELS = {
    Fault.MISSING: "absent du volume",
    Fault.UNREADABLE: "illisible",
    Fault.TRUNCATED: "tronqué",
    Fault.ALTERED: "altéré : son empreinte n'est plus la bonne",
    Fault.PERMISSIONS: f"droits à rétablir : {FILE_MODE:o} pour le fichier, {DIRECTORY_MODE:o} pour son dossier",
}


def find_fault(path: Path, size: int, sha256: str, read: Read) -> Fault | None:
    """Compare a file with what its row says of it; None when it is the same, and readable by its group alone."""
    try:
        with open(path, "rb", buffering=0, opener=_open) as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                return Fault.ALTERED
            found, digest = _digest(file, read)
    except (FileNotFoundError, NotADirectoryError):
        return Fault.MISSING
    except OSError:
        return Fault.UNREADABLE
    if found < size:
        return Fault.TRUNCATED
    if digest != sha256:
        return Fault.ALTERED
    return None if _has_right_modes(path, state) else Fault.PERMISSIONS


@contextmanager
def open_regular(path: Path) -> Iterator[IO[bytes]]:
    """Open a file of the volume to read it, unbuffered.

    Raises:
        OSError: it is not there, cannot be read, or something else stands in its place.
    """
    with open(path, "rb", buffering=0, opener=_open) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        yield file


def _open(path: str, flags: int) -> int:
    """Follow no link, and wait for no pipe in the place of the file."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _digest(file: IO[bytes], read: Read) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    while piece := file.read(BUFFER):
        digest.update(piece)
        size += len(piece)
        read(len(piece))
    return size, digest.hexdigest()


def _has_right_modes(path: Path, state: os.stat_result) -> bool:
    return stat.S_IMODE(state.st_mode) == FILE_MODE and stat.S_IMODE(path.parent.stat().st_mode) == DIRECTORY_MODE
