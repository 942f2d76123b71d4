"""What befalls the exports volume."""

from collections.abc import Iterator

from tests.faults.disk import small_disk
from tests.faults.fault import fault
from tests.faults.jobs import caught_job
from tests.faults.stage import Stage
from worker.errors import DiskFullError

_DELAYED = "SELECT count(*) FROM export WHERE status = 'queued' AND error_code = :code"
_DELAY_SECONDS = 300
_FORBIDDEN, _ALLOWED = 0o2550, 0o2750


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
