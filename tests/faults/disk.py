"""A volume that can be filled: a small tmpfs where we may mount one, else a limit on the size of files."""

import os
import resource
import subprocess
from pathlib import Path
from typing import Protocol

from tests.faults.stage import Stage

_SIZE = "256m"
_LARGEST_FILE = 1 << 20
"""Less than a list; more than our logs, which are files too."""


class Disk(Protocol):
    """What the volume lies on."""

    def fill(self) -> None:
        """No byte more fits."""

    def free(self) -> None:
        """There is room again."""


def small_disk(stage: Stage) -> Disk:
    """Put the exports volume on a disk of its own, for the life of the stage; the stage notes how."""
    exports = stage.town.exports
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(exports)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        stage.cleanup.callback(subprocess.run, ["umount", "--lazy", str(exports)], check=True)
        stage.note = "tmpfs"
        return _Tmpfs(exports)
    stage.note = "no mount here: RLIMIT_FSIZE"
    return _Limit(stage)


class _Tmpfs:
    def __init__(self, root: Path) -> None:
        self._ballast = root / "ballast"

    def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 16)):
                    pass
            except OSError:
                return

    def free(self) -> None:
        self._ballast.unlink()


class _Limit:
    """Of the workers that run: one that is started later has none."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def fill(self) -> None:
        self._set(_LARGEST_FILE)

    def free(self) -> None:
        self._set(resource.RLIM_INFINITY)

    def _set(self, size: int) -> None:
        for worker in self._stage.workers:
            for pid in worker.process.family:
                _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                soft = size if hard == resource.RLIM_INFINITY else min(size, hard)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
