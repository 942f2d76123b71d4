"""The watch on a worker process: it leaves when it cannot work any more, and tells what it lacks meanwhile."""

import os
import threading
from collections.abc import Iterator

import structlog
from dramatiq import Broker, Middleware, Worker
from dramatiq.worker import ConsumerThread, WorkerThread

from worker.health import Pulse
from worker.messaging.consumer import GuardedConsumer

log = structlog.get_logger()

THREAD_DEAD = os.EX_SOFTWARE
"""The exit code of a process with a dead thread: Dramatiq would go on without it, and look healthy."""

_PERIOD_SECONDS = 1.0


class Watch(Middleware):
    """Looks at the threads once a second, from the boot until the stop begins: threads end then, as they should."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Begin."""
        self._thread = threading.Thread(target=self._watch, args=(worker,), name="watch", daemon=True)
        self._thread.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """End."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._pulse.stop()

    def _watch(self, worker: Worker) -> None:
        while not self._stop.wait(_PERIOD_SECONDS):
            if dead := [thread.name for thread in _threads(worker) if thread.ident and not thread.is_alive()]:
                log.critical("thread_dead", threads=dead)
                os._exit(THREAD_DEAD)
            self._pulse.beat(_lack(worker))


def _threads(worker: Worker) -> Iterator[ConsumerThread | WorkerThread]:
    yield from worker.workers
    yield from list(worker.consumers.values())


def _lack(worker: Worker) -> str:
    apart = sorted(name for name, thread in list(worker.consumers.items()) if not _is_connected(thread))
    return f"RabbitMQ ne donne rien de : {', '.join(apart)}" if apart else ""


def _is_connected(thread: ConsumerThread) -> bool:
    return isinstance(thread.consumer, GuardedConsumer) and bool(thread.consumer.channel.is_open)
