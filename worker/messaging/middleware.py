"""The middleware of every worker, in order, each for a reason. No Results, Groups, Pipelines: the row is the result."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence

import structlog
from dramatiq import Broker, Middleware, Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import CurrentMessage, Retries, TimeLimit
from dramatiq.worker import ConsumerThread, WorkerThread
from sqlalchemy.exc import OperationalError

from worker.health import Pulse
from worker.messaging.consumer import GuardedConsumer
from worker.messaging.encoder import EventArgument

log = structlog.get_logger()

TIME_LIMIT_MS = 9 * 60_000
"""Under Dramatiq's shutdown timeout (10 min), itself under the broker's consumer timeout (30 min)."""

FIRST_BACKOFF_MS, LONGEST_BACKOFF_MS = 1_000, 15_000
"""The second is also how late a message may learn that the database is back."""

_TRIES = 3

THREAD_DEAD = os.EX_SOFTWARE
"""The exit code of a process with a dead thread: Dramatiq would go on without it, and look healthy."""

_PERIOD_SECONDS = 1.0


class FairPrefetch(Middleware):
    """Each worker holds as many messages as it has threads, so that none waits behind a long job while others idle."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Set the number before the consumers start."""
        worker.queue_prefetch = worker.worker_threads


class AtBoot(Middleware):
    """Does something once, when the worker process starts."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Do it."""
        self._action()


class LogContext(Middleware):
    """Log keys bound by one message never show on the next; an event's correlation id shows on every line about it."""

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """Forget the last message."""
        structlog.contextvars.clear_contextvars()
        if isinstance(event := message.args[0], EventArgument):
            structlog.contextvars.bind_contextvars(correlation_id=event["correlationid"])


class SafeRetries(Retries):
    """Tries again; a retry that cannot be published fails its message, which then waits among the dead letters."""

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Publish the retry, or fail the message: upstream would acknowledge it and lose it (its issue 545)."""
        try:
            super().after_process_message(  # type: ignore[no-untyped-call]
                broker, message, result=result, exception=exception
            )
        except Exception as error:  # noqa: BLE001 — whatever went wrong, the message must not be acknowledged
            log.warning("retry_not_published", error=type(error).__name__)
            message.fail()


class ThreadWatchdog(Middleware):
    """Leaves when the process cannot work any more, and tells what it lacks meanwhile.

    It looks at the threads once a second, from the boot until the stop begins: threads end then, as they should.
    """

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Begin."""
        self._thread = threading.Thread(target=self._look, args=(worker,), name="thread-watchdog", daemon=True)
        self._thread.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """End."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._pulse.stop()

    def _look(self, worker: Worker) -> None:
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


def is_worth_retrying(retries: int, error: BaseException) -> bool:
    """A database that is away is waited for; anything else has a few tries."""
    return isinstance(error, OperationalError) or retries < _TRIES


def build_middleware() -> Sequence[Middleware]:
    """The whole list."""
    return (
        LogContext(),
        CurrentMessage(),
        FairPrefetch(),
        TimeLimit(time_limit=TIME_LIMIT_MS),
        SafeRetries(min_backoff=FIRST_BACKOFF_MS, max_backoff=LONGEST_BACKOFF_MS, retry_when=is_worth_retrying),
    )
