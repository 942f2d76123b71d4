"""One part fails while a file is being written; the nemesis and the random sequences cover the rest."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from urllib.parse import quote

import pytest

from schemas.topology import REQUEST_QUEUES
from tests.faults.stage import Stage, Supervised
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import declare_queues

pytestmark = pytest.mark.slow

REQUESTS = 8
_A_MINUTE = 60
_PATIENCE_MS = 1000
_RUNNING = """
SELECT e.id, w.owner, e.code_commune, e.file_name FROM export e JOIN work w ON w.subject = 'export:' || e.id
WHERE e.status = 'running' AND w.state = 'held' AND w.starts = 1
"""
_STILL_RUNNING = (
    "SELECT 1 FROM work WHERE subject = 'export:' || :id AND owner = :owner FOR UPDATE SKIP LOCKED"
)
_BLOCKED = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'electeur'::regclass"
_HELD = "SELECT count(*) FROM work WHERE subject = 'export:' || :id AND owner = :owner"
_READY = "SELECT count(*) FROM export WHERE id = :id AND status = 'ready'"


@dataclass(frozen=True)
class Job:
    """A row claimed by a worker process that is frozen."""

    stage: Stage
    export_id: int
    owner: str
    pid: int
    path: Path
    """The path of the file when it is ready."""

    @property
    def worker(self) -> Supervised:
        return next(
            worker for worker in self.stage.workers if worker.process.pid == os.getpgid(self.pid)
        )

    def expect_again(self) -> None:
        """Wait until another worker has claimed the row."""
        held = {"id": self.export_id, "owner": self.owner}
        self.stage.expect(lambda: not self.stage.count(_HELD, **held), "another worker on the row")

    def expect_ready(self) -> None:
        """Wait until any worker has made the file."""
        self.stage.expect(lambda: self.stage.count(_READY, id=self.export_id), "the file")


def _catch_a_job(stage: Stage) -> Job:
    """Freeze a worker's process (SIGSTOP) that has begun to write a file and holds no transaction on its row."""
    job = stage.expect(lambda: next(_caught(stage), None), "a file being written")
    assert job
    return job


def _caught(stage: Stage) -> Iterator[Job]:
    for row in stage.town.rows(_RUNNING):
        pid = int(row.owner.split("-")[-2])
        with suppress(ProcessLookupError):
            os.kill(pid, SIGSTOP)
            path = stage.town.exports / row.code_commune / row.file_name
            begun = any(path.parent.glob(f".{path.name}.*.part"))
            if begun and stage.town.rows(_STILL_RUNNING, id=row.id, owner=row.owner):
                yield Job(stage, row.id, row.owner, pid, path)
            os.kill(pid, SIGCONT)


@contextmanager
def _caught_job(stage: Stage) -> Iterator[Job]:
    """The job is frozen inside the block, and continues after it."""
    job = _catch_a_job(stage)
    try:
        yield job
    finally:
        with suppress(ProcessLookupError):
            os.kill(job.pid, SIGCONT)


@contextmanager
def _jobs_held(stage: Stage) -> Iterator[None]:
    """Jobs wait for a table lock inside the block; their processes live, renew their leases and answer the broker."""
    with stage.town.engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE electeur IN ACCESS EXCLUSIVE MODE")
        stage.expect(lambda: stage.count(_BLOCKED), "a job that waits for the register")
        yield


@contextmanager
def _interval(broker: RabbitNode, name: str, milliseconds: int, *, usual: int) -> Iterator[None]:
    """Shorten an interval of the broker: the check for late acknowledgments, or the count of messages."""
    for_now, back = (f"application:set_env(rabbit, {name}, {it})." for it in (milliseconds, usual))
    broker.rabbitmqctl("eval", for_now)
    try:
        yield
    finally:
        broker.rabbitmqctl("eval", back)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def test_a_worker_that_is_killed(stage: Stage) -> None:
    """Only the working process is killed, as the kernel does when memory is short: its master exits too."""
    stage.start()
    stage.ask(REQUESTS)
    job = _catch_a_job(stage)
    worker = job.worker
    os.kill(job.pid, SIGKILL)
    stage.expect(lambda: worker.exits, "the end of the master")
    job.expect_again()
    stage.check()


def test_a_worker_that_is_stopped_finishes_its_file(stage: Stage) -> None:
    stage.start()
    stage.ask(REQUESTS)
    with _caught_job(stage) as job:
        worker = job.worker
        os.kill(worker.process.pid, SIGTERM)
    stage.expect(lambda: worker.exits, "the end of the worker")
    job.expect_ready()
    assert worker.exits == [0]
    stage.check()


def test_a_worker_that_wakes_past_its_lease_changes_nothing(stage: Stage) -> None:
    stage.start()
    stage.ask(REQUESTS)
    with _caught_job(stage) as job:
        job.expect_again()
        job.expect_ready()
        before = _identity(job.path)
    is_seen = '"event": "lease_lost"'
    stage.expect(
        lambda: is_seen in stage.log() or _identity(job.path) != before,
        "what the woken worker does",
    )
    assert _identity(job.path) == before, "the woken worker touched a file that was another's"
    stage.check()


def test_a_broker_that_is_killed(stage: Stage) -> None:
    """Jobs that were at work acknowledge late: that must apply to no other message."""
    stage.start()
    stage.ask(REQUESTS)
    with _jobs_held(stage):
        stage.broker.kill()
        stage.broker.start()
        stage.expect_readers()
    stage.expect_log("stale_ack")
    stage.check()


def test_a_broker_that_is_short_of_memory(stage: Stage) -> None:
    """It accepts no message: tokens and events of files that are made meanwhile cannot be published."""
    stage.start()
    stage.ask(REQUESTS)
    with _jobs_held(stage):
        stage.broker.rabbitmqctl("set_vm_memory_high_watermark", "0")
    try:
        stage.expect_log("tokens_not_sent", "event_delayed")
    finally:
        stage.broker.rabbitmqctl("set_vm_memory_high_watermark", "0.6")
    stage.let_time_pass(_A_MINUTE)
    stage.check()


def test_a_job_that_is_longer_than_the_consumer_timeout(stage: Stage) -> None:
    """The broker closes the channel and delivers the message again, while its job continues."""
    path = f"/policies/{quote(stage.vhost, safe='')}/short"
    policy = {
        "pattern": ".*",
        "apply-to": "queues",
        "definition": {"consumer-timeout": _PATIENCE_MS},
    }
    is_over = f"Timeout value used: {_PATIENCE_MS} ms"
    with _interval(stage.broker, "channel_tick_interval", 500, usual=60_000):
        stage.start()
        stage.ask(REQUESTS)
        with _jobs_held(stage):
            stage.broker.management.request("PUT", path, policy)
            stage.expect(lambda: is_over in stage.broker.log(), "the end of the broker's patience")
            stage.broker.management.request("DELETE", path)
            stage.expect_readers()
        stage.expect_log("stale_ack")
    stage.check()


def test_queues_of_type_quorum(stage: Stage) -> None:
    """The server's default queue type may be quorum, which has rules of its own; all workers are killed."""
    vhost = quote(stage.vhost, safe="")
    stage.broker.management.request("PUT", f"/vhosts/{vhost}", {"default_queue_type": "quorum"})
    for queue in REQUEST_QUEUES:  # declared by the stage, before the type was changed
        stage.broker.management.request("DELETE", f"/queues/{vhost}/{queue}")
    declare_queues(stage.town.amqp_url)
    with _interval(stage.broker, "quorum_tick_interval", 200, usual=5_000):
        stage.start()
        stage.ask(REQUESTS)
        job = _catch_a_job(stage)  # at once: the workers make all files in a few seconds
    types = {
        it["type"]
        for it in stage.broker.management.request("GET", f"/queues/{vhost}?disable_stats=true")
    }
    assert types == {"quorum"}
    for worker in stage.workers:
        worker.process.kill()
    job.expect_again()
    stage.check()


def test_a_database_that_is_away_for_a_minute(stage: Stage) -> None:
    """Longer than any lease: all work waits, none of it fails."""
    stage.start()
    stage.ask(REQUESTS)
    with _caught_job(stage):
        stage.database.stop("fast")
    time.sleep(_A_MINUTE)
    stage.database.start()
    stage.expect_log("OperationalError")
    stage.check()
