"""Files of the exports volume: written under a hidden name, then renamed, so that readers see whole files only.

The rename follows the fsync of all bytes, so that no reader ever sees a part of a file, even after a power cut.
Directories are 2750 and files 0640: the group of the screen reads, other users do not.
"""

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Self
from uuid import uuid4

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Mapped, mapped_column

from common.french import format_size
from schemas.requests import check_code_commune
from schemas.vocabulary import PIECES, FileFormat
from worker.db.engine import snapshot
from worker.db.types import Base, Texte, UtcDateTime, utc_now
from worker.error_policy import conclude, is_waited_for
from worker.errors import DiskFullError, TransientError, VolumeAbsentError

BUFFER = 1 << 18
STALE_SECONDS = 3600
"""After an hour without a byte, a temporary file has no writer left (a job lasts nine minutes at most)."""

DIRECTORY_MODE, FILE_MODE = 0o2750, 0o640
_EXTENSIONS = {*FileFormat, *(it.extension for it in PIECES.values())}
_NAME = re.compile(rf"[^./\x00-\x1f\x7f][^/\x00-\x1f\x7f]*\.(?:{'|'.join(_EXTENSIONS)})")


class ForeignNameError(OSError):
    """A row has a file name that the worker never writes: the path may lead to a foreign file."""


class Volume(Base):
    """The volume of this installation, and the token that the file at its root must contain."""

    __tablename__ = "volume"

    name: Mapped[str] = mapped_column(Texte, primary_key=True)
    token: Mapped[str] = mapped_column(Texte)
    marked_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, doc="When the file was first written."
    )


SENTINEL = ".prefecture"
"""The file at the root of a volume that names its installation."""

_ABSENT = "Volume des exports absent, ou un autre à sa place : prévenez l'exploitant."


def _read_token(root: Path) -> str | None:
    with translate_disk_errors():
        try:
            return (root / SENTINEL).read_text("ascii", errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None


class PendingFile:
    """A file that is written under a hidden temporary name. Leaving the block without `publish` removes it."""

    def __init__(self, directory: Path, name: str, owner: str) -> None:
        self.path = directory / name
        self.temporary = directory / f".{name}.{owner.replace('/', '_')}.part"
        self._hash = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        """Create the temporary file, exclusively, and remove those of earlier owners of the row.

        An earlier owner that was frozen, and not dead, can rename its own no more.
        """
        first = f".{self.path.name}."
        with os.scandir(self.path.parent) as entries:
            left = [
                it.name for it in entries if it.name.startswith(first) and it.name.endswith(".part")
            ]
        for name in left:
            (self.path.parent / name).unlink(missing_ok=True)
        descriptor = os.open(self.temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        self._file = open(descriptor, "wb", buffering=BUFFER)  # noqa: PTH123 — closed by `finish` or `__exit__`
        return self

    def write(self, data: bytes) -> None:
        """Append bytes to the temporary file."""
        self._hash.update(data)
        self.size += len(data)
        self._file.write(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes, computed while writing."""
        return self._hash.hexdigest()

    def finish(self) -> None:
        """Write every byte to the disk; the file still has its hidden name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def __exit__(self, *_exception: object) -> None:
        """Remove the temporary file, even if closing fails because the disk is full."""
        try:
            self._file.close()
        finally:
            self.temporary.unlink(missing_ok=True)


def publish(files: Iterable[PendingFile]) -> None:
    """Rename finished files to their final names, durably.

    Raises:
        FileNotFoundError: another job removed a hidden file, or another volume is at its path.
    """
    directories = set()
    for file in files:
        file.temporary.rename(file.path)
        directories.add(file.path.parent)
    for directory in directories:
        sync_to_disk(directory)


class Storage:
    """The exports volume: one directory per commune. With an engine, another directory at its path is refused.

    A file at the root has the token of the table `volume`. A volume that was never marked is marked with its first
    file. Afterwards a directory without the token is refused.
    """

    def __init__(self, root: Path, engine: Engine | None = None) -> None:
        self.root = root
        self._engine = engine
        self._token: str | None = None

    def require_own(self, *, may_mark: bool = True) -> None:
        """Check that the directory is the volume of this installation, and mark a new volume.

        Raises:
            VolumeAbsentError: it is empty, or another installation's.
            TransientError: it does not answer.
        """
        if self._engine is None:
            return
        found = _read_token(self.root)
        if found is not None and found == self._token:
            return
        with snapshot(self._engine) as connection:
            row = connection.execute(select(Volume.token, Volume.marked_at)).one()
        if found is None and row.marked_at is None:
            if not may_mark:
                return
            self.mark()
        elif found != row.token:
            raise VolumeAbsentError(_ABSENT)
        self._token = row.token

    def mark(self) -> None:
        """Mark the directory as the volume of this installation."""
        if self._engine is None:
            return
        with self._engine.begin() as connection:
            token = connection.scalars(
                update(Volume).values(marked_at=utc_now()).returning(Volume.token)
            ).one()
            with translate_disk_errors():
                self.root.mkdir(parents=True, exist_ok=True)
                with PendingFile(self.root, SENTINEL, uuid4().hex) as file:
                    file.write(f"{token}\n".encode())
                    file.finish()
                    publish([file])

    def path(self, code_commune: str, name: str) -> Path:
        """Return the path of a recorded file. The name is checked, although it comes from a row and not from a message.

        Raises:
            ForeignNameError: the name leads elsewhere, is hidden, or has an extension that we never write.
        """
        if not _NAME.fullmatch(name):
            raise ForeignNameError(errno.EINVAL, "not the name of a file of ours")
        return self.root / check_code_commune(code_commune) / name

    @contextmanager
    def pending(self, code_commune: str, name: str, owner: str) -> Iterator[PendingFile]:
        """Yield a file of a commune to write.

        Raises:
            VolumeAbsentError: another directory is at the path of the volume.
            TransientError: no room, no right to write, no answer; the temporary file is removed.
        """
        self.require_own()
        with translate_disk_errors():
            directory = self.root / check_code_commune(code_commune)
            if not directory.is_dir():
                directory.mkdir(parents=True, exist_ok=True)
                directory.chmod(DIRECTORY_MODE)
                sync_to_disk(self.root)
            with PendingFile(directory, name, owner) as pending:
                yield pending

    def require_room(self, size: int) -> None:
        """Check that a file of this size fits.

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
        """Remove hidden files whose last byte is older than `older_than` seconds; return how many.

        No worker writes them any more. A process that died while it marked the volume leaves one at the root.
        """
        hidden = chain(self.root.glob("*/.*.part"), self.root.glob(f".{SENTINEL}.*.part"))
        stale = [path for path in hidden if age_of(path) > older_than]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def require_mounted(self) -> None:
        """Check that the volume is present, because files on an absent volume would seem to be gone.

        Raises:
            TransientError: it has no directory of a commune, which the first file creates for good; or it is another
                installation's.
        """
        if not any(path.is_dir() for path in self.root.glob("[0-9]*")):
            raise TransientError(
                f"Volume des exports vide ou absent ({self.root}) : est-il monté ?"
            )
        self.require_own(may_mark=False)

    def remove(self, code_commune: str, names: Iterable[str]) -> list[int]:
        """Remove files of a commune, durably even after a power cut; return the sizes of those that existed.

        Raises:
            OSError: the system refuses.
        """
        paths = [self.path(code_commune, name) for name in names]
        sizes = list[int]()
        for path in paths:
            with suppress(FileNotFoundError):
                size = path.lstat().st_size
                path.unlink()
                sizes.append(size)
        if sizes:
            sync_to_disk(self.root / code_commune)
        return sizes


@contextmanager
def translate_disk_errors() -> Iterator[None]:
    """Translate an OSError of the volume as its policy says (worker/error_policy.py); a bug is raised as it is."""
    try:
        yield
    except OSError as error:
        if is_waited_for(error):
            raise conclude(error) from error
        raise


def age_of(path: Path) -> float:
    """Return the seconds since the last byte of a file was written; 0 when it is gone."""
    try:
        return time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return 0


def sync_to_disk(path: Path) -> None:
    """Write a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
