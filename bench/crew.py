"""Worker processes behind a RabbitMQ, and how long they take from the first request to the last file."""

import os
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory
from typing import Self

from bench.asking import Order
from bench.measure import Measure
from bench.ready import ReadyFiles, Tally
from bench.registers import Task
from producers.batch.command import send_batch
from producers.publisher import Publisher
from tests.parts.process import Process
from tests.parts.rabbitmq import RabbitNode
from tests.parts.wait import wait_until
from worker.messaging.queues import read_queues

_ROOT = Path(__file__).parents[1]
_START_SECONDS = 60
_STOP_SECONDS = 10
_SHOWN = 2000
"""Characters of the workers' log, when something went wrong."""


class Crew:
    """So many worker processes on one register, with a virtual host and an exports volume of their own.

    They run with the default settings, as docs/operations.md says, but serve whoever asks; no notifier is there, so
    nobody is told.
    """

    def __init__(self, node: RabbitNode, task: Task, processes: int) -> None:
        self._node, self._task, self._processes = node, task, processes
        self._ends = ExitStack()
        self._made: list[Tally] = []

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            folder = Path(ends.enter_context(TemporaryDirectory(prefix="crew-", dir=self._task.folder)))
            self._exports, self._log = folder / "exports", folder / "workers.log"
            vhost = self._node.create_vhost()
            ends.callback(self._node.delete_vhost, vhost)
            self._amqp_url = self._node.url(vhost)
            self._ready = ends.enter_context(ReadyFiles(self._task.url))
            self._start(folder, ends)
            self._publisher = ends.enter_context(Publisher(self._amqp_url))
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def make(self, order: Order) -> Measure:
        """From before the first request is sent until the last row is ready; its lines count minors, who are left out.

        Raises:
            RuntimeError: some file is not ready.
        """
        begun = time.perf_counter()
        send_batch(order.batch, self._publisher, lambda _sent: None)
        try:
            self._ready.wait(order.files)
        except TimeoutError as error:
            raise self._failure(str(error)) from None
        wall = time.perf_counter() - begun
        tally = self._ready.tally(order.batch.name)
        if tally.files != order.files:
            raise self._failure(f"{tally.files} files of {order.files} are ready")
        self._made.append(tally)
        return Measure(wall, size=tally.size, lines=tally.lines + tally.mineurs)

    def clear(self) -> None:
        """Remove every file.

        Raises:
            RuntimeError: the volume does not hold what the rows said.
        """
        sizes = [path.stat().st_size for path in self._exports.rglob("*") if path.is_file()]
        if sum(sizes) != sum(tally.size + tally.reports for tally in self._made):
            raise self._failure("the volume does not hold what the rows say")
        self._made.clear()
        shutil.rmtree(self._exports)

    def _start(self, folder: Path, ends: ExitStack) -> None:
        count = ("--processes", str(self._processes), "--threads", "1")
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PREFECTURE_DATABASE_URL": self._task.url,
            "PREFECTURE_AMQP_URL": self._amqp_url,
            "PREFECTURE_EXPORTS_DIR": str(self._exports),
            "PREFECTURE_HEALTH_DIR": str(folder / "health"),
            "PREFECTURE_SENDERS": "any",
        }
        command = [sys.executable, "-m", "dramatiq", "worker.main", *count]
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
        return all(queue.consumers == self._processes for queue in read_queues(self._amqp_url))

    def _failure(self, what: str) -> RuntimeError:
        return RuntimeError(f"{what}; the workers' last lines:\n{self._log.read_text(errors='replace')[-_SHOWN:]}")
