"""The faults of `make faults`: one part at a time fails, while a file is being written.

The nemesis and the crossings cover the rest: the mail server, the volume, a process between two steps.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from urllib.parse import quote

from tests.faults.runner import Fault, fault
from tests.faults.stage import Stage
from tests.faults.supervisor import Supervised
from tests.parts.rabbitmq import RabbitNode
from worker.messaging.queues import add_account_queues, open_channel, remove_account_queues

_A_MINUTE = 60
_LEASE_LOST = '"event": "lease_lost"'
_PATIENCE_MS = 1000
_OUT_OF_PATIENCE = f"Timeout value used: {_PATIENCE_MS} ms"
_RUNNING = """
SELECT e.id, w.owner, e.code_commune, e.file_name FROM export e JOIN work w ON w.subject = 'export:' || e.id
WHERE e.status = 'running' AND w.state = 'held' AND w.starts = 1
"""
_STILL_RUNNING = "SELECT 1 FROM work WHERE subject = 'export:' || :id AND owner = :owner FOR UPDATE SKIP LOCKED"
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
        """The worker that owns the process."""
        return next(worker for worker in self.stage.workers if worker.process.pid == os.getpgid(self.pid))

    def resume(self) -> None:
        """Let the process go on (SIGCONT), if it is still alive."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, SIGCONT)

    def expect_again(self) -> None:
        """Wait until another worker has claimed the row."""
        count = partial(self.stage.count, _HELD, id=self.export_id, owner=self.owner)
        self.stage.expect(lambda: not count(), "another worker on the row")

    def expect_ready(self) -> None:
        """Wait until any worker has made the file."""
        self.stage.expect(lambda: self.stage.count(_READY, id=self.export_id), "the file")


def catch_a_job(stage: Stage) -> Job:
    """Freeze a worker's process (SIGSTOP) that has begun to write a file and holds no transaction on its row."""
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
    """The job is frozen inside the block, and continues after it."""
    job = catch_a_job(stage)
    try:
        yield job
    finally:
        job.resume()


@contextmanager
def jobs_held(stage: Stage) -> Iterator[None]:
    """Jobs wait for a table lock inside the block; their processes live, renew their leases and answer the broker."""
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
                yield Job(stage, row.id, row.owner, pid, path)
            os.kill(pid, SIGCONT)


@fault("nothing breaks")
def nothing(_stage: Stage) -> Iterator[None]:
    """The reference without a fault."""
    yield


@fault("a worker killed (SIGKILL)", short=True)
def worker_killed(stage: Stage) -> Iterator[None]:
    """Kill the working process only, as the kernel does when memory is short: its master exits too."""
    yield
    job = catch_a_job(stage)
    worker = job.worker
    os.kill(job.pid, SIGKILL)
    stage.expect(lambda: worker.exits, "the end of the master")
    job.expect_again()


@fault("a worker stopped (SIGTERM)", short=True)
def worker_stopped(stage: Stage) -> Iterator[None]:
    """The worker finishes its file in the first attempt, and exits with 0."""
    yield
    with caught_job(stage) as job:
        worker = job.worker
        os.kill(worker.process.pid, SIGTERM)
    stage.expect(lambda: worker.exits, "the end of the worker")
    job.expect_ready()
    assert worker.exits == [0], f"exit codes {worker.exits}"


@fault("a worker frozen past its lease (SIGSTOP), then woken", short=True)
def worker_frozen(stage: Stage) -> Iterator[None]:
    """When the worker resumes, another worker owns the file: it changes nothing."""
    yield
    with caught_job(stage) as job:
        job.expect_again()
        job.expect_ready()
        before = _identity(job.path)
    stage.expect(lambda: _LEASE_LOST in stage.log() or _identity(job.path) != before, "what the woken worker does")
    assert _identity(job.path) == before, "the woken worker touched a file that was another's"


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


@fault("the broker killed (SIGKILL), then started", short=True)
def broker_killed(stage: Stage) -> Iterator[None]:
    """Kill it while files are made: their late acknowledgments must apply to no other message."""
    yield
    with jobs_held(stage):
        stage.broker.kill()
        stage.broker.start()
        _expect_readers_again(stage)
    stage.expect_log("stale_ack")


@fault("the broker short of memory (alarm)")
def broker_alarm(stage: Stage) -> Iterator[None]:
    """The broker accepts no message: doorbells and events of files that are made meanwhile cannot be published."""
    yield
    with jobs_held(stage):
        stage.broker.rabbitmqctl("set_vm_memory_high_watermark", "0")
    try:
        stage.expect_log("doorbells_not_enqueued", "event_delayed")
    finally:
        stage.broker.rabbitmqctl("set_vm_memory_high_watermark", "0.6")
    stage.let_time_pass(_A_MINUTE)


@fault("a job longer than the broker's consumer timeout")
def consumer_timeout(stage: Stage) -> Iterator[None]:
    """The broker closes the channel and delivers the message again, while its job continues."""
    path = f"/policies/{quote(stage.vhost, safe='')}/short"
    policy = {"pattern": ".*", "apply-to": "queues", "definition": {"consumer-timeout": _PATIENCE_MS}}
    with _interval(stage.broker, "channel_tick_interval", 500, usual=60_000):
        yield
        with jobs_held(stage):
            stage.broker.management.request("PUT", path, policy)
            stage.expect(lambda: _OUT_OF_PATIENCE in stage.broker.log(), "the end of the broker's patience")
            stage.broker.management.request("DELETE", path)
            _expect_readers_again(stage)
        stage.expect_log("stale_ack")


@fault("queues of type quorum, and all workers killed")
def quorum(stage: Stage) -> Iterator[None]:
    """The server's default queue type may be quorum, which has rules of its own."""
    vhost = quote(stage.vhost, safe="")
    stage.broker.management.request("PUT", f"/vhosts/{vhost}", {"default_queue_type": "quorum"})
    with open_channel(stage.town.amqp_url) as channel:  # declared by the stage, before the type was changed
        remove_account_queues(channel, stage.town.account)
    add_account_queues(stage.town.amqp_url, stage.town.account)
    with _interval(stage.broker, "quorum_tick_interval", 200, usual=5_000):
        yield
    types = {it["type"] for it in stage.broker.management.request("GET", f"/queues/{vhost}?disable_stats=true")}
    assert types == {"quorum"}, f"queues of type {types}"
    job = catch_a_job(stage)
    for worker in stage.workers:
        worker.process.kill()
    job.expect_again()


@contextmanager
def _interval(broker: RabbitNode, name: str, milliseconds: int, *, usual: int) -> Iterator[None]:
    """Shorten an interval of the broker: the check for late acknowledgments, or the count of messages."""
    for_now, back = (f"application:set_env(rabbit, {name}, {it})." for it in (milliseconds, usual))
    broker.rabbitmqctl("eval", for_now)
    try:
        yield
    finally:
        broker.rabbitmqctl("eval", back)


def _expect_readers_again(stage: Stage) -> None:
    stage.expect(lambda: stage.queues.are_read_by(len(stage.workers)), "workers that read the queues again")


@fault("the database away for a minute")
def database_away(stage: Stage) -> Iterator[None]:
    """Longer than any lease: all work waits, none of it fails."""
    yield
    with caught_job(stage):
        stage.database.stop("fast")
    time.sleep(_A_MINUTE)
    stage.database.start()
    stage.expect_log("OperationalError")


FAULTS = {it.slug: it for it in list(globals().values()) if isinstance(it, Fault)}
"""By name on the command line."""
