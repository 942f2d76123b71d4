"""Ways to be sure that a fault strikes in the middle of a file, however fast files are made."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGSTOP

from tests.faults.stage import Stage
from tests.faults.supervisor import Supervised

_RUNNING = "SELECT id, owner, code_commune, file_name FROM export WHERE status = 'running' AND attempts = 1"
_STILL_RUNNING = "SELECT 1 FROM export WHERE id = :id AND owner = :owner FOR UPDATE SKIP LOCKED"
_BLOCKED = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'electeur'::regclass"
_ATTEMPTS = "SELECT attempts FROM export WHERE id = :id"
_READY = "SELECT count(*) FROM export WHERE id = :id AND status = 'ready'"


@dataclass(frozen=True)
class Job:
    """A row in the hands of a worker's process, which stands still."""

    stage: Stage
    export_id: int
    pid: int
    path: Path
    """Of the file to be."""

    @property
    def worker(self) -> Supervised:
        """The one whose process it is."""
        return next(worker for worker in self.stage.workers if worker.process.pid == os.getpgid(self.pid))

    def resume(self) -> None:
        """Let the process go on, if it still lives."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, SIGCONT)

    def starts(self) -> int:
        """How many times the row was taken."""
        return self.stage.count(_ATTEMPTS, id=self.export_id)

    def expect_again(self) -> None:
        """Wait until somebody has taken the row again."""
        self.stage.expect(lambda: self.starts() > 1, "another worker on the row")

    def expect_ready(self) -> None:
        """Wait until the file is made, by whomever."""
        self.stage.expect(lambda: self.stage.count(_READY, id=self.export_id), "the file")


def catch_a_job(stage: Stage) -> Job:
    """Freeze a worker's process (SIGSTOP) that has begun to write a file and is in no transaction on its row."""
    job: Job | None = None

    def is_caught() -> bool:
        nonlocal job
        job = next(_caught(stage), None)
        return job is not None

    stage.expect(is_caught, "a file being written")
    assert job
    return job


@contextmanager
def caught_job(stage: Stage) -> Iterator[Job]:
    """The job stands still inside the block, and goes on after it."""
    job = catch_a_job(stage)
    try:
        yield job
    finally:
        job.resume()


@contextmanager
def jobs_held(stage: Stage) -> Iterator[None]:
    """Jobs wait for the register inside the block; their processes live, renew their leases and hear the broker."""
    with stage.town.engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE electeur IN ACCESS EXCLUSIVE MODE")
        stage.expect(lambda: stage.count(_BLOCKED), "a job that waits for the register")
        yield


def _caught(stage: Stage) -> Iterator[Job]:
    for row in stage.town.rows(_RUNNING):
        pid = int(row.owner.split("-")[-2])
        with suppress(ProcessLookupError):
            os.kill(pid, SIGSTOP)
            path = stage.town.exports / row.code_commune / row.file_name
            begun = any(path.parent.glob(f".{path.name}.*.part"))
            if begun and stage.town.rows(_STILL_RUNNING, id=row.id, owner=row.owner):
                yield Job(stage, row.id, pid, path)
            os.kill(pid, SIGCONT)
