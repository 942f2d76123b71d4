"""What befalls workers."""

import os
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM

from tests.faults.fault import fault
from tests.faults.jobs import catch_a_job, caught_job
from tests.faults.stage import Stage

_GRACE_SECONDS = 30
_LEASE_LOST = '"event": "lease_lost"'


@fault("nothing breaks")
def nothing(_stage: Stage) -> Iterator[None]:
    """The measure of all others."""
    yield


@fault("a worker killed (SIGKILL)", short=True)
def worker_killed(stage: Stage) -> Iterator[None]:
    """Only the process that works, as the kernel does when memory is short: its master leaves too."""
    yield
    job = catch_a_job(stage)
    worker = job.worker
    os.kill(job.pid, SIGKILL)
    stage.expect(lambda: worker.exits, "the end of the master")
    job.expect_again()


@fault("all workers killed (SIGKILL)")
def workers_killed(stage: Stage) -> Iterator[None]:
    """As when the machine loses its power."""
    yield
    job = catch_a_job(stage)
    for worker in stage.workers:
        worker.process.kill()
    job.expect_again()


@fault("a worker stopped (SIGTERM)", short=True)
def worker_stopped(stage: Stage) -> Iterator[None]:
    """It finishes its file, by itself and at the first attempt, and leaves with 0."""
    yield
    with caught_job(stage) as job:
        worker = job.worker
        os.kill(worker.process.pid, SIGTERM)
    stage.expect(lambda: worker.exits, "the end of the worker")
    job.expect_ready()
    assert (worker.exits, job.starts()) == ([0], 1), f"exit codes {worker.exits}, {job.starts()} starts"


@fault("a worker frozen past its lease (SIGSTOP), then woken", short=True)
def worker_frozen(stage: Stage) -> Iterator[None]:
    """When it wakes up, the file is another's: it changes nothing."""
    yield
    with caught_job(stage) as job:
        job.expect_again()
        job.expect_ready()
        before = _identity(job.path)
    stage.expect(lambda: _LEASE_LOST in stage.log() or _identity(job.path) != before, "what the woken worker does")
    assert _identity(job.path) == before, "the woken worker touched a file that was another's"


@fault("a lease moved into the past")
def lease_expired(stage: Stage) -> Iterator[None]:
    """Clocks: the owner lives and works, and another one takes its row."""
    yield
    with caught_job(stage) as job:
        stage.execute(f"UPDATE export SET lease_until = lease_until - interval '1 hour' WHERE id = {job.export_id}")  # noqa: S608
        stage.let_time_pass(_GRACE_SECONDS)
        job.expect_again()
    stage.expect_log(_LEASE_LOST)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns
