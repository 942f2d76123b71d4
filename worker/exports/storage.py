"""Files of the exports volume: written under a hidden name, shown whole or not at all.

A file appears by one rename after its bytes are on the disk (fsync), so that no reader ever sees a part of it, even
after a power cut. Directories are 2750 and files 0640: the group of the screen reads, others do not.
"""

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from common.french import format_size
from schemas.requests import check_code_commune
from worker.errors import DiskFullError, TransientError

BUFFER = 1 << 18
STALE_SECONDS = 3600
"""After an hour without a byte, a temporary file has no writer left (a job lasts nine minutes at most)."""

DIRECTORY_MODE, FILE_MODE = 0o2750, 0o640
_NO_ROOM = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOTDIR, errno.ENOENT, errno.EEXIST),  # the volume is not mounted, or something else stands there
}


@dataclass(frozen=True)
class StoredFile:
    """What was written: size in bytes and SHA-256, counted while writing."""

    name: str
    size: int
    sha256: str

    def to_record(self) -> dict[str, Any]:
        """For the database."""
        return asdict(self)


@dataclass(frozen=True)
class Made:
    """What is recorded of a file that was made."""

    file: StoredFile
    report: StoredFile | None
    electeurs: int
    mineurs: int
    bloquantes: int
    remarques: int
    anomalies: list[dict[str, Any]]
    pages: int | None = None
    differences: dict[str, Any] | None = None
    """Of a list file, with the one deposited before it."""
    rests_on: Sequence[dict[str, Any]] = ()
    """The imports that it rests on."""
    reconciliation: dict[str, Any] | None = None
    """Of a list file, of which register it is; of a tableau, how it agrees with the list of the day."""


class PendingFile:
    """A file being written under a hidden temporary name. Leaving the block without `publish` removes it."""

    def __init__(self, directory: Path, name: str, owner: str) -> None:
        self.path = directory / name
        self.temporary = directory / f".{name}.{owner.replace('/', '_')}.part"
        self._hash = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> Self:
        """Create the temporary file, exclusively, and remove what a dead owner of the same row left."""
        for left in self.path.parent.glob(f".{self.path.name}.*.part"):
            left.unlink(missing_ok=True)
        descriptor = os.open(self.temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        self._file = open(descriptor, "wb", buffering=BUFFER)  # noqa: PTH123 — closed by `finish` or `__exit__`
        return self

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._hash.update(data)
        self._size += len(data)
        self._file.write(data)

    def finish(self) -> StoredFile:
        """Put every byte on the disk; the file still has its hidden name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return StoredFile(self.path.name, self._size, self._hash.hexdigest())

    def __exit__(self, *_exception: object) -> None:
        """Leave nothing behind, even where closing fails because the last bytes have no room."""
        try:
            self._file.close()
        finally:
            self.temporary.unlink(missing_ok=True)


def publish(files: Iterable[PendingFile]) -> None:
    """Give finished files their names, for good."""
    directories = set()
    for file in files:
        file.temporary.rename(file.path)
        directories.add(file.path.parent)
    for directory in directories:
        _sync_directory(directory)


class Storage:
    """The exports volume: one directory per commune."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, code_commune: str, name: str) -> Path:
        """Where a file of the record is; the name comes from a row, never from a message."""
        return self.root / check_code_commune(code_commune) / name

    @contextmanager
    def pending(self, code_commune: str, name: str, owner: str) -> Iterator[PendingFile]:
        """Write a file of a commune.

        Raises:
            DiskFullError: no room, or no right to write; nothing is left behind.
        """
        with translate_disk_errors():
            directory = self._directory(code_commune)
            with PendingFile(directory, name, owner) as pending:
                yield pending

    def require_room(self, size: int) -> None:
        """Refuse to begin a file that would not fit.

        Raises:
            DiskFullError: fewer than `size` bytes are free.
        """
        with translate_disk_errors():
            self.root.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.root).free
        if free < size:
            raise DiskFullError(
                f"Espace disque insuffisant : {format_size(size)} nécessaires, {format_size(free)} libres."
            )

    def sweep_temporaries(self, older_than: float) -> int:
        """Remove hidden files that no worker writes any more, `older_than` seconds after their last byte."""
        limit = time.time() - older_than
        stale = [path for path in self.root.glob("*/.*.part") if _last_written(path) < limit]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def require_mounted(self) -> None:
        """Refuse to take a volume that is not there for one whose files are gone.

        Raises:
            TransientError: no commune has a directory on it; they are made with the first file, and never removed.
        """
        if not any(path.is_dir() for path in self.root.glob("[0-9]*")):
            raise TransientError(f"Volume des exports vide ou absent ({self.root}) : est-il monté ?")

    def remove(self, code_commune: str, names: Iterable[str]) -> list[int]:
        """Remove files of a commune, for good even after a power cut; the sizes of those that were there.

        Raises:
            OSError: the system refuses.
        """
        paths = [self.path(code_commune, name) for name in names]
        sizes = [size for path in paths if (size := _unlink(path)) is not None]
        if sizes:
            _sync_directory(self.root / code_commune)
        return sizes

    def _directory(self, code_commune: str) -> Path:
        directory = self.root / check_code_commune(code_commune)
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(DIRECTORY_MODE)
            _sync_directory(self.root)
        return directory


@contextmanager
def translate_disk_errors() -> Iterator[None]:
    """Turn a full or read-only volume into an error that is waited out."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            reason = os.strerror(error.errno)
            raise DiskFullError(f"Volume des exports plein ou sans droit d'écriture ({reason}).") from error
        raise


def _unlink(path: Path) -> int | None:
    """Remove a file and tell its size; None when there is none."""
    try:
        size = path.lstat().st_size
        path.unlink()
    except FileNotFoundError:
        return None
    return size


def _last_written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
