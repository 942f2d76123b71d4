"""Worker processes, notifiers and a mailbox around a RabbitMQ, timed from the first request on; idle services.

They run with the default settings, as in docs/operations.md, but accept every account, and nothing sweeps.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from threading import Event
from typing import Any
from uuid import uuid4

import psycopg
import yaml
from sqlalchemy import Select, func, select

from bench.files import Asked
from bench.measure import Measure
from bench.registers import Task
from bench.screen import open_screen
from producers.cli.send import TOGETHER, put_in_batch
from producers.publisher import Publisher
from schemas.envelope import CloudEvent
from schemas.vocabulary import ExportStatus
from tests.parts.health import ask_health
from tests.parts.mail import Mailbox
from tests.parts.process import Process
from tests.parts.rabbitmq import RabbitNode
from tests.parts.town import ROOT, Town
from tests.parts.wait import wait_until
from worker.db.engine import CHANNEL
from worker.exports.models import Export, Request
from worker.health import Role

_SILENCE_SECONDS = 300
"""After so long without a file or a mail, the wait fails."""

_SETTLE_SECONDS = 10
_LIMITS = {"LIMIT_LEASE_SECONDS": "30", "LIMIT_SWEEP_SECONDS": "3600"}


class Crew:
    """The processes on one register and its volume. PostgreSQL notifies that a file is made, so that nothing polls."""

    def __init__(
        self, town: Town, mailbox: Mailbox, publisher: Publisher, listener: psycopg.Connection
    ) -> None:
        self.mailbox = mailbox
        self._town, self._publisher, self._listener = town, publisher, listener

    def make(self, asked: Sequence[Asked]) -> Measure:
        """Measure from before the first request is sent until the last row is ready; the lines include left-out minors.

        Raises:
            TimeoutError: a file is not ready.
        """
        begun = time.perf_counter()
        batch, files = self._send(asked)
        sums = (
            func.coalesce(func.sum(it), 0)
            for it in (Export.size, Export.lines_written + Export.mineurs)
        )
        completed = func.count(Request.id.distinct()).filter(Request.completed_at.is_not(None))
        ready = _of_batch(select(func.count(), *sums, completed), batch).where(
            Export.status == ExportStatus.READY
        )
        made = size = lines = ended = 0
        while made < files:
            self._hear(len(asked) - ended)  # the end of each request wakes the notifiers
            with self._town.engine.connect() as connection:
                made, size, lines, ended = map(int, connection.execute(ready).one())
        return Measure(time.perf_counter() - begun, size=size, lines=lines)

    def record(self, asked: Sequence[Asked]) -> float:
        """Return the seconds from before the first request is sent until every file has its row, made or not."""
        begun = time.perf_counter()
        batch, files = self._send(asked)
        rows = _of_batch(select(func.count()), batch)
        with self._town.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        ) as connection:
            wait_until(lambda: (connection.scalar(rows) or 0) >= files, message=f"{files} rows")
        return time.perf_counter() - begun

    def notify(self, asked: Asked) -> float:
        """Return the seconds from before a request is sent until the mail about its files is delivered."""
        is_here = Event()
        self.mailbox.on_mail = is_here.set
        begun = time.perf_counter()
        self.make([asked])
        if not is_here.wait(_SILENCE_SECONDS):
            raise TimeoutError("no mail came")
        return time.perf_counter() - begun

    def start_notifiers(self, count: int) -> None:
        """Start notifiers, each with its own folder."""
        for number in range(count):
            self._town.start_notifier(PREFECTURE_HOME=str(self._town.folder / f"notifier-{number}"))

    def rate_of_notifications(self, requests: int) -> float:
        """Return the requests that are notified in a second, from the first one of so many on."""
        begun = datetime.now(UTC)
        notified = select(Request.notified_at).where(Request.notified_at >= begun)
        with self._town.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        ) as connection:
            count = select(func.count()).select_from(notified.subquery())
            wait_until(
                lambda: connection.scalar(count) == requests,
                timeout=_SILENCE_SECONDS,
                message="all notified",
            )
            moments = sorted(moment for moment in connection.scalars(notified) if moment)
        if len(self.mailbox.mails) != requests:
            raise RuntimeError(f"{len(self.mailbox.mails)} mails for {requests} requests")
        return (
            sum(moment > moments[0] for moment in moments)
            / (moments[-1] - moments[0]).total_seconds()
        )

    def clear(self) -> None:
        """Remove every file of the volume."""
        for folder in self._town.exports.iterdir():
            if folder.is_dir():  # the mark of the volume stays
                shutil.rmtree(folder)

    def _send(self, asked: Sequence[Asked]) -> tuple[str, int]:
        batch = f"bench-{uuid4()}"
        events = [
            put_in_batch(CloudEvent.wrap(request, source="/bench"), batch) for request in asked
        ]
        for sent in range(0, len(events), TOGETHER):
            self._publisher.publish(*events[sent : sent + TOGETHER])
        return batch, sum(len(request.parts()) for request in asked)

    def _hear(self, count: int) -> None:
        while count > 0:
            heard = sum(1 for _ in self._listener.notifies(timeout=_SILENCE_SECONDS, stop_after=1))
            if not heard:
                raise TimeoutError(
                    f"{count} requests do not end; the worker: {self._town.log('worker')[-2000:]}"
                )
            count -= heard


def _of_batch(query: Select[*tuple[Any, ...]], batch: str) -> Select[*tuple[Any, ...]]:
    of_request = Request.id == Export.request_id
    return (
        query.select_from(Export).join(Request, of_request).where(Request.correlation_id == batch)
    )


@contextmanager
def open_crew(node: RabbitNode, task: Task, processes: int, *queues: str) -> Iterator[Crew]:
    """Yield worker processes of one thread that read all queues or the named ones; no notifier runs at first."""
    mailbox = Mailbox()
    with ExitStack() as ends:
        vhost = node.create_vhost()
        ends.callback(node.delete_vhost, vhost)
        amqp_url = node.url(vhost)
        town = Town(task.url, amqp_url, task.folder, mailbox.port)
        town.environment |= _LIMITS
        ends.callback(town.close)
        mailbox.start()
        ends.callback(mailbox.stop)
        town.start_worker("-p", str(processes), *(["-Q", *queues] if queues else []))
        listener = ends.enter_context(psycopg.connect(task.libpq_url, autocommit=True))
        listener.execute(f"LISTEN {CHANNEL}")
        yield Crew(town, mailbox, ends.enter_context(Publisher(amqp_url)), listener)


def measure_rest(node: RabbitNode, task: Task) -> tuple[Mapping[str, float], float]:
    """Measure our services of docker-compose.yml when idle, all at once, since they share pages there.

    Returns:
        By name, the seconds of processor until it is ready; the memory of all (PSS, MB).
    """
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    vhost = node.create_vhost()
    with ExitStack() as ends:
        ends.callback(node.delete_vhost, vhost)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PREFECTURE_DATABASE_URL": task.url,
            "PREFECTURE_AMQP_URL": node.url(vhost),
            "PREFECTURE_EXPORTS_DIR": str(task.exports),
        }
        running, starts = dict[str, Process](), dict[str, float]()
        for name, service in services.items():
            *_, check, role = service.get("healthcheck", {}).get("test", ("", ""))
            if check == "common/healthy.sh" and role != "web":
                running[name] = _start(service["command"], Role(role), environment, task, ends)
                starts[name] = running[name].cpu_seconds
        running["web"] = ends.enter_context(open_screen(task)).process
        starts["web"] = running["web"].cpu_seconds
        time.sleep(_SETTLE_SECONDS)
        return starts, sum(it.memory for it in running.values()) / 1e6


def _start(
    command: Sequence[str], role: Role, environment: Mapping[str, str], task: Task, ends: ExitStack
) -> Process:
    count = int(command[command.index("--processes") + 1]) if "--processes" in command else 1
    home = Path(mkdtemp(prefix="rest-", dir=task.folder))
    own = {**environment, "PREFECTURE_HOME": str(home)}
    process = Process([sys.executable, *command[1:]], env=own, folder=ROOT, log=home / "log.txt")
    ends.callback(process.kill)
    wait_until(lambda: _is_at_work(home / "health", role, count), message=" ".join(command))
    return process


def _is_at_work(health: Path, role: Role, count: int) -> bool:
    return ask_health(health, role) == (0, f"{role} : {count} processus au travail")
