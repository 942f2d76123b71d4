"""A small volume that a test may fill."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """The file system that is mounted on a folder."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Fill it to the last byte."""
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 12)):
                    pass
            except OSError:
                return

    def free(self) -> None:
        """Remove the filler."""
        self._ballast.unlink()


@contextmanager
def small_disk(folder: Path, size: str, owner: int = 0) -> Iterator[SmallDisk]:
    """Mount one on a new folder; skip the test where it may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={size},uid={owner},mode=0700",
        "tmpfs",
        str(folder),
    ]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("nothing may be mounted here")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
