"""What befalls the exports volume: a small tmpfs where we may mount one, else a limit on the size of files."""

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from tests.faults.fault import fault
from tests.faults.jobs import caught_job
from tests.faults.stage import Stage
from worker.errors import DiskFullError

_DELAYED = "SELECT count(*) FROM export WHERE status = 'queued' AND error_code = :code"
_DELAY_SECONDS = 300
_FORBIDDEN, _ALLOWED = 0o2550, 0o2750
_SIZE = "256m"
_LARGEST_FILE = 1 << 20
"""Less than a list; more than our logs, which are files too."""


@fault("the volume full, then freed")
def volume_full(stage: Stage) -> Iterator[None]:
    """In the middle of a file; where a disk cannot be mounted, no file may grow past a limit instead."""
    disk = small_disk(stage)
    yield
    with caught_job(stage):
        disk.fill()
    _expect_delay(stage)
    disk.free()
    stage.let_time_pass(_DELAY_SECONDS)


@fault("the volume read-only, then writable again", short=True)
def volume_read_only(stage: Stage) -> Iterator[None]:
    """In the middle of a file, which can then be neither named nor removed."""
    yield
    with caught_job(stage) as job:
        directory = job.path.parent
        directory.chmod(_FORBIDDEN)
    try:
        _expect_delay(stage)
    finally:
        directory.chmod(_ALLOWED)
    stage.let_time_pass(_DELAY_SECONDS)


def _expect_delay(stage: Stage) -> None:
    stage.expect(lambda: stage.count(_DELAYED, code=DiskFullError.code), "a file that waits for room")


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
