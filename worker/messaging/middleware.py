"""The middleware of every worker, in order. Results, Groups and Pipelines are not used: the row is the result."""

import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from dramatiq import Broker, Middleware, Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import TimeLimit
from dramatiq.worker import ConsumerThread

from common.logs import SILENCE_SECONDS, request_keys
from schemas.envelope import trace_id_of
from schemas.topology import QUEUE_REGISTRE
from worker.error_policy import conclude, is_waited_for, lacks_descriptors
from worker.errors import ExhaustedError
from worker.health import EXHAUSTED, EXHAUSTED_LOOKS, STUCK, Pulse, ThreadStarts
from worker.messaging.consumer import GuardedConsumer
from worker.messaging.reading import INGEST_ACTORS

log = structlog.get_logger()

TIME_LIMIT_MS = 9 * 60_000
"""Less than Dramatiq's shutdown timeout (10 min), which is less than the broker's consumer timeout (30 min)."""

LONGEST_MESSAGE_SECONDS = TIME_LIMIT_MS / 1000 + 60
"""Dramatiq cannot interrupt a blocking call: after this time the process is ended."""
IMPORT_LIMIT_MS = 30 * 60_000
"""For an import: a whole département takes a few minutes. Its queue has longer timeouts, in the same order."""

HELD_SECONDS = 60.0
"""The longest hold of a message while the database is away."""

_PROBE_SECONDS = 0.5
"""Seconds between two probes of an absent database."""

_LOOK_SECONDS = 5.0
"""Seconds between two questions of an idle process to its database."""

_SAID_OF_EACH_TRY = ("Consumer encountered a connection error", "Restarting consumer")
"""How the lines of Dramatiq about each reconnection begin."""

THREAD_DEAD = os.EX_SOFTWARE
"""The exit code of a process with a dead thread: Dramatiq would continue without the thread, and look healthy."""


class _Fairness(Middleware):
    """Each worker prefetches as many messages of a queue as it has threads, so that none waits behind a long job."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        worker.queue_prefetch = worker.worker_threads


class _LogContext(Middleware):
    """Clears the log keys of the last message; binds the correlation id of an event to all its lines."""

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        structlog.contextvars.clear_contextvars()
        if message.actor_name in INGEST_ACTORS.values():
            event = message.args[0].event
            structlog.contextvars.bind_contextvars(
                **request_keys(event.correlationid, trace_id_of(event.traceparent))
            )


class _QuietReconnection(Middleware):
    """Limits the log lines of a consumer whose broker is away to one at once and one a minute."""

    def after_consumer_thread_boot(self, broker: Broker, thread: ConsumerThread) -> None:  # noqa: ARG002
        thread.logger.filters[:] = [_OnceAMinute()]


class _OnceAMinute(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        said, now = str(record.msg), time.monotonic()
        if not said.startswith(_SAID_OF_EACH_TRY):
            return True
        if is_new := now >= self._said_at.get(said, -math.inf) + SILENCE_SECONDS:
            self._said_at[said] = now
        return is_new


class Redelivery(Middleware):
    """Returns a failed event to the head of its queue after an error of the surroundings (worker/error_policy.py).

    After any other error the event is dead-lettered. A token is acknowledged: the sweep sends another.

    The message is held first, until the database answers. In each process one thread at a time probes it. No other
    message starts meanwhile, since it would fail too.
    """

    def __init__(self, answers: Callable[[], bool]) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self._asked_at = -math.inf
        self._is_there = True
        self._stop = threading.Event()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """End all holds, so that the process can stop."""
        self._stop.set()

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002 — Dramatiq's signature
        message: MessageProxy,
        *,
        result: object = None,  # noqa: ARG002
        exception: BaseException | None = None,
    ) -> None:
        """Mark a failed message; Dramatiq would acknowledge it."""
        if exception is None:
            return
        if is_waited := is_waited_for(exception):
            self._hold()
        if message.actor_name in INGEST_ACTORS.values():
            message.is_given_back = is_waited  # type: ignore[attr-defined]
            message.fail()

    def _hold(self) -> None:
        deadline = time.monotonic() + HELD_SECONDS
        while time.monotonic() < deadline and not self._stop.wait(_PROBE_SECONDS):
            if self._is_back():
                return

    def _is_back(self) -> bool:
        with self._lock:
            if time.monotonic() > self._asked_at + _PROBE_SECONDS:
                self._is_there = self._answers()
                self._asked_at = time.monotonic()
            return self._is_there


class ThreadWatchdog(Middleware):
    """Ends a process that cannot work any more, and writes to the liveness file what the process lacks.

    It checks once a second, from the boot until the stop begins, when threads end normally. A process that lacks
    descriptors or memory finishes its messages and ends; one that hangs ends at once. Another process replaces it.
    """

    def __init__(
        self,
        pulse: Pulse,
        stuck: threading.Event,
        on_stop: Callable[[], None] = lambda: None,
        find_lack: Callable[[], str] = lambda: "",
    ) -> None:
        self._pulse = pulse
        self._stuck = stuck
        self._on_stop = on_stop
        """Called once the worker has stopped, even if a job did not end in time."""
        self._find_lack = find_lack
        """Returns in French why the database lets this process do nothing; empty when it can work."""
        self._lack = ""
        self._begun: dict[int, float] = {}
        """When each thread began its message."""
        self._gate = threading.Lock()
        """Held while a message begins and while the database is asked, which takes a connection of the messages."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._exhausted = 0
        """Consecutive checks that found a lack of descriptors or memory."""
        self._starts = ThreadStarts()

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Start the checks in a thread."""
        self._thread = threading.Thread(
            target=self._look, args=(worker,), name="thread-watchdog", daemon=True
        )
        self._thread.start()
        threading.Thread(target=self._ask_database, name="database-watchdog", daemon=True).start()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """Record the start of a message; later by the additional time of an import."""
        more = (
            (IMPORT_LIMIT_MS - TIME_LIMIT_MS) / 1000 if message.actor_name == QUEUE_REGISTRE else 0
        )
        with self._gate:
            self._begun[threading.get_ident()] = time.monotonic() + more

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """Remove the record of the start."""
        self._begun.pop(threading.get_ident(), None)

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002 — Dramatiq's signature
        message: MessageProxy,  # noqa: ARG002
        *,
        result: object = None,  # noqa: ARG002
        exception: BaseException | None = None,
    ) -> None:
        """Remove the record of the start; note an error from a lack of descriptors or memory."""
        self._begun.pop(threading.get_ident(), None)
        if exception is None:
            self._lack = ""
        elif isinstance(conclude(exception), ExhaustedError):
            self._exhausted = EXHAUSTED_LOOKS

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Stop the checks, and delete the liveness file."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._pulse.stop()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Release what is left, and exit with the code EXHAUSTED if the process ends for that reason."""
        try:
            self._on_stop()
        except Exception as error:  # noqa: BLE001 — leases end by themselves
            log.warning("works_not_released", error=type(error).__name__)
        if self._exhausted >= EXHAUSTED_LOOKS:
            os._exit(EXHAUSTED)

    def _ask_database(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            with self._gate:
                if not self._begun:
                    self._lack = self._find_lack()

    def _look(self, worker: Worker) -> None:
        while not self._stop.wait(1):
            threads = *worker.workers, *list(worker.consumers.values())
            if dead := [
                thread.name for thread in threads if thread.ident and not thread.is_alive()
            ]:
                log.critical("thread_dead", threads=dead)
                os._exit(THREAD_DEAD)
            longest = time.monotonic() - min(list(self._begun.values()), default=math.inf)
            if (
                self._stuck.is_set()
                or self._starts.are_stuck()
                or longest > LONGEST_MESSAGE_SECONDS
            ):
                log.critical("process_stuck")
                os._exit(STUCK)
            if self._exhausted < EXHAUSTED_LOOKS:
                self._exhausted = self._exhausted + 1 if lacks_descriptors() else 0
            if self._exhausted >= EXHAUSTED_LOOKS:
                log.critical("process_exhausted")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            self._pulse.beat(" ; ".join(filter(None, (self._lack, _lack(worker)))))


def _lack(worker: Worker) -> str:
    consumers = {name: thread.consumer for name, thread in list(worker.consumers.items())}
    connected = {
        name
        for name, it in consumers.items()
        if isinstance(it, GuardedConsumer) and it.channel.is_open
    }
    apart = sorted(consumers.keys() - connected)
    return f"RabbitMQ ne donne rien de : {', '.join(apart)}" if apart else ""


def build_middleware(answers: Callable[[], bool] = lambda: True) -> Sequence[Middleware]:
    """Return the middleware of every worker, in order; `answers`: whether the database can be written."""
    return (
        _LogContext(),
        _Fairness(),
        _QuietReconnection(),
        TimeLimit(time_limit=TIME_LIMIT_MS),
        Redelivery(answers),
    )
