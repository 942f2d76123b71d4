"""Worker processes and notifiers behind a RabbitMQ, timed from the first request to the last file or mail.

Also measures each idle service of docker-compose.yml.
"""

import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory
from threading import Event
from typing import NamedTuple, Self

import yaml
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bench.asking import Order
from bench.crowd import open_screen
from bench.measure import Measure
from bench.ready import ReadyFiles, Tally
from bench.registers import Task
from producers.cli.send import TOGETHER
from producers.publisher import Publisher
from tests.parts.mail import Mailbox
from tests.parts.process import Process
from tests.parts.rabbitmq import RabbitNode
from tests.parts.wait import wait_until
from worker.access.models import EVERY_COMMUNE, Sender
from worker.db.engine import build_engine
from worker.errors import PrefectureError
from worker.exports.models import Request
from worker.health import Role, require_healthy
from worker.messaging.queues import add_account_queues, read_queues

_ROOT = Path(__file__).parents[1]
_START_SECONDS = 60
_STOP_SECONDS = 10
_TELL_SECONDS = 300
_STARTS = 3
_SETTLE_SECONDS = 10
_MEGA = 1e6
_SHOWN = 2000
"""Characters of the workers' log in an error."""


class Crew:
    """Worker processes on one register and its volume, with their own virtual host.

    They run with the default settings, as in docs/operations.md, but accept every account, and read all queues or
    the named ones. No notifier runs.
    """

    def __init__(self, node: RabbitNode, task: Task, processes: int, *, queues: Sequence[str] = ()) -> None:
        self._node, self._task = node, task
        self._processes, self._queues = processes, queues
        self._ends = ExitStack()
        self._made: list[Tally] = []

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            folder = Path(ends.enter_context(TemporaryDirectory(prefix="crew-", dir=self._task.folder)))
            self._log = folder / "workers.log"
            vhost = self._node.create_vhost()
            ends.callback(self._node.delete_vhost, vhost)
            self._amqp_url = self._node.url(vhost)
            self._list_account()
            self._ready = ends.enter_context(ReadyFiles(self._task.url))
            self._start(folder, ends)
            self._publisher = ends.enter_context(Publisher(self._amqp_url))
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def make(self, order: Order) -> Measure:
        """Measure from before the first request is sent until the last row is ready; the lines include left-out minors.

        Raises:
            RuntimeError: a file is not ready.
        """
        begun = time.perf_counter()
        _send(order, self._publisher)
        tally = self._ready.tally(order.batch)
        while tally.files < order.files:
            try:
                self._ready.wait(order.files - tally.files)  # of this batch or of another
            except TimeoutError as error:
                raise self._failure(str(error)) from None
            tally = self._ready.tally(order.batch)
        wall = time.perf_counter() - begun
        self._made.append(tally)
        return Measure(wall, size=tally.size, lines=tally.lines + tally.mineurs)

    def _list_account(self) -> None:
        engine = build_engine(self._task.url)
        with Session(engine) as session, session.begin():
            session.merge(Sender(name=RabbitNode.user, code_commune=EVERY_COMMUNE))
        engine.dispose()
        add_account_queues(self._amqp_url, RabbitNode.user)

    @property
    def amqp_url(self) -> str:
        """The URL of the virtual host."""
        return self._amqp_url

    def record(self, order: Order) -> float:
        """Return the seconds from before the first request is sent until every file has its row, made or not."""
        begun = time.perf_counter()
        _send(order, self._publisher)
        wait_until(lambda: self._ready.count(order.batch) >= order.files, message=f"{order.files} rows")
        return time.perf_counter() - begun

    def clear(self) -> None:
        """Remove every file of the volume.

        Raises:
            RuntimeError: the volume differs from the rows.
        """
        folders = [path for path in self._task.exports.iterdir() if path.is_dir()]  # the mark of the volume stays
        sizes = [path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()]
        if sum(sizes) != sum(tally.size + tally.reports for tally in self._made):
            raise self._failure("the volume does not hold what the rows say")
        self._made.clear()
        for folder in folders:
            shutil.rmtree(folder)

    def _start(self, folder: Path, ends: ExitStack) -> None:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PREFECTURE_DATABASE_URL": self._task.url,
            "PREFECTURE_AMQP_URL": self._amqp_url,
            "PREFECTURE_EXPORTS_DIR": str(self._task.exports),
            "PREFECTURE_HOME": str(folder),
            "ANY_ACCOUNT": "1",
        }
        command = [sys.executable, "-m", "bench.limited", "worker.main", "--processes", str(self._processes)]
        command += ["--threads", "1", *(["--queues", *self._queues] if self._queues else [])]
        workers = Process(command, env=environment, folder=_ROOT, log=self._log)
        ends.callback(workers.end, SIGTERM, timeout=_STOP_SECONDS)
        wait_until(
            lambda: not workers.alive or self._are_at_work(),
            timeout=_START_SECONDS,
            message="workers that read the queues",
        )
        if not workers.alive:
            raise self._failure("the workers did not start")

    def _are_at_work(self) -> bool:
        consumers = {it.queue: it.consumers for it in read_queues(self._amqp_url)}
        return all(consumers[queue] == self._processes for queue in self._queues or consumers)

    def _failure(self, what: str) -> RuntimeError:
        return RuntimeError(f"{what}; the workers' last lines:\n{self._log.read_text(errors='replace')[-_SHOWN:]}")


def _send(order: Order, publisher: Publisher) -> None:
    for sent in range(0, len(order.events), TOGETHER):
        publisher.publish(*order.events[sent : sent + TOGETHER])


class Notifiers:
    """Notifiers on a register and a virtual host, and the mailbox that they write to; they never sweep."""

    def __init__(self, task: Task, amqp_url: str, processes: int = 1) -> None:
        self._task, self._amqp_url, self._processes = task, amqp_url, processes
        self.mailbox = Mailbox()
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            folder = Path(ends.enter_context(TemporaryDirectory(prefix="tell-", dir=self._task.folder)))
            self.mailbox.start()
            ends.callback(self.mailbox.stop)
            environment = {
                "PATH": os.environ.get("PATH", os.defpath),
                "PREFECTURE_DATABASE_URL": self._task.url,
                "PREFECTURE_AMQP_URL": self._amqp_url,
                "PREFECTURE_EXPORTS_DIR": str(self._task.exports),
                "PREFECTURE_SMTP_SERVER": f"smtp://{self.mailbox.host}:{self.mailbox.port}",
                "PREFECTURE_PUBLIC_URL": "https://prefecture.example",
                "LIMIT_SWEEP_SECONDS": "3600",
            }
            for number in range(self._processes):
                command = [sys.executable, "-m", "bench.limited", "worker", "notifier"]
                own = environment | {"PREFECTURE_HOME": str(folder / str(number))}
                notifier = Process(command, env=own, folder=_ROOT, log=folder / f"notifier-{number}.log")
                ends.callback(notifier.end, SIGTERM, timeout=_STOP_SECONDS)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def time_mail(self, act: Callable[[], object]) -> float:
        """Return the seconds from before `act` until its mail is delivered.

        Raises:
            TimeoutError: no mail was delivered.
        """
        is_here = Event()
        self.mailbox.on_mail = is_here.set
        begun = time.perf_counter()
        act()
        if not is_here.wait(_TELL_SECONDS):
            raise TimeoutError("no mail came")
        return time.perf_counter() - begun


def tell(node: RabbitNode, task: Task, processes: int) -> float:
    """Return the requests notified in a second, each by a mail and its events, from the first notification on.

    Raises:
        RuntimeError: not all requests were notified.
    """
    engine, vhost = build_engine(task.url), node.create_vhost()
    told = select(Request.notified_at).where(Request.notified_at.is_not(None))
    with Notifiers(task, node.url(vhost), processes) as notifiers:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            count = select(func.count()).select_from(told.subquery())
            wait_until(lambda: connection.scalar(count) == task.size, timeout=_TELL_SECONDS, message="all told")
            moments = sorted(moment for moment in connection.scalars(told) if moment)
        mails = notifiers.mailbox.mails
        if len({mail.message["Message-ID"] for mail in mails}) != task.size:
            raise RuntimeError(f"{len(mails)} mails for {task.size} requests")
    node.delete_vhost(vhost)
    engine.dispose()
    return sum(moment > moments[0] for moment in moments) / (moments[-1] - moments[0]).total_seconds()


class Rest(NamedTuple):
    """An idle service: its processes that work or serve, and the memory of all its processes (PSS, MB)."""

    processes: int
    memory: float
    start: float
    """Seconds of processor until it is ready, the least of several starts."""


def rest(node: RabbitNode, task: Task) -> dict[str, Rest]:
    """Measure our services of docker-compose.yml, by their commands; all at once, since they share pages there."""
    vhost = node.create_vhost()
    with ExitStack() as ends:
        folder = Path(ends.enter_context(TemporaryDirectory(prefix="rest-", dir=task.folder)))
        ends.callback(node.delete_vhost, vhost)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PREFECTURE_DATABASE_URL": task.url,
            "PREFECTURE_AMQP_URL": node.url(vhost),
            "PREFECTURE_EXPORTS_DIR": str(task.exports),
        }
        started = {name: _start_service(command, environment, folder, ends) for name, command in _commands().items()}
        screen, _url = ends.enter_context(open_screen(task, secrets.token_urlsafe(32)))
        started["web"] = screen, 1, screen.cpu_seconds
        time.sleep(_SETTLE_SECONDS)
        return {name: Rest(count, it.memory / _MEGA, seconds) for name, (it, count, seconds) in started.items()}


def _commands() -> dict[str, list[str]]:
    """Return the commands of the services whose health check is `python -m worker healthy`."""
    services = yaml.safe_load((_ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    return {
        name: it["command"] for name, it in services.items() if "healthy" in it.get("healthcheck", {}).get("test", ())
    }


def _start_service(
    command: Sequence[str], environment: dict[str, str], folder: Path, ends: ExitStack
) -> tuple[Process, int, float]:
    """Start a service several times; return the last process, its number of workers, and its least start time."""
    role = Role.WORKER if "worker.main" in command else Role.NOTIFIER
    count = int(command[command.index("--processes") + 1]) if "--processes" in command else 1
    seconds: list[float] = []
    with ExitStack() as until_next:
        for number in range(_STARTS):
            until_next.close()
            home = folder / f"{len(list(folder.iterdir()))}-{number}"
            own = environment | {"PREFECTURE_HOME": str(home)}
            log = folder / "services.log"
            service = Process([sys.executable, *command[1:]], env=own, folder=_ROOT, log=log)
            until_next.callback(service.end, SIGTERM, timeout=_STOP_SECONDS)
            is_at_work = partial(_is_at_work, home / "health", role, count)
            wait_until(is_at_work, timeout=_START_SECONDS, message=" ".join(command))
            seconds.append(service.cpu_seconds)
        ends.push(until_next.pop_all())
    return service, count, min(seconds)


def _is_at_work(health: Path, role: Role, count: int) -> bool:
    try:
        return require_healthy(health, role) == count
    except PrefectureError:
        return False
