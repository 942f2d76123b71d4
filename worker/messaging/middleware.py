"""The middleware of every worker, in order, each for a reason. No Results, Groups, Pipelines: the row is the result."""

import logging
import math
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import structlog
from dramatiq import Broker, Middleware, Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import CurrentMessage, Retries, TimeLimit
from dramatiq.worker import ConsumerThread, WorkerThread

from common.logs import SILENCE_SECONDS, request_keys
from schemas.envelope import trace_id_of
from worker.error_policy import conclude, is_waited_for, lacks_descriptors
from worker.errors import DatabaseAwayError, ExhaustedError
from worker.health import EXHAUSTED, EXHAUSTED_LOOKS, STUCK, Pulse, ThreadStarts
from worker.messaging.consumer import GuardedConsumer
from worker.messaging.encoder import HANDLE_PREVIEW, INGEST_ACTORS, EventArgument

log = structlog.get_logger()

TIME_LIMIT_MS = 9 * 60_000
"""Under Dramatiq's shutdown timeout (10 min), itself under the broker's consumer timeout (30 min)."""

LONGEST_MESSAGE_SECONDS = TIME_LIMIT_MS / 1000 + 60
"""Dramatiq interrupts no call that waits for something: past this the process is ended."""
IMPORT_LIMIT_MS = 30 * 60_000
"""Of an import: a whole département takes a few minutes. Its queue has longer timeouts, in the same order."""

FIRST_BACKOFF_MS, LONGEST_BACKOFF_MS = 500, 15_000

HELD_SECONDS = 60.0
"""How long a message is held at most while the database is away; the next one is held then."""

_SHORTEST_PROBE_SECONDS, _LONGEST_PROBE_SECONDS = 0.5, 1.0
"""Between two questions of a process to an absent database: no two processes ask in step."""

_SAID_OF_EACH_TRY = ("Consumer encountered a connection error", "Restarting consumer")
"""How these lines of Dramatiq begin."""

_TRIES = 3

THREAD_DEAD = os.EX_SOFTWARE
"""The exit code of a process with a dead thread: Dramatiq would go on without it, and look healthy."""

_PERIOD_SECONDS = 1.0


class FairPrefetch(Middleware):
    """Each worker holds as many messages of a queue as it has threads, so that none waits behind a long job."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Set the number before the consumers start."""
        worker.queue_prefetch = worker.worker_threads


class AtBoot(Middleware):
    """Does something once, when the worker process starts; it works all the same when that fails."""

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
            keys = request_keys(event["correlationid"], trace_id_of(event.get("traceparent")))
            structlog.contextvars.bind_contextvars(**keys)


class QuietReconnection(Middleware):
    """Lets a consumer whose broker is away say so at once, then once a minute: it tries again each second."""

    def after_consumer_thread_boot(self, broker: Broker, thread: ConsumerThread) -> None:  # noqa: ARG002
        """Each consumer has a logger of its own, by the name of its queue."""
        thread.logger.filters[:] = [_OnceAMinute()]


class _OnceAMinute(logging.Filter):
    """Drops what a consumer says of each new try, when it said it less than a minute ago."""

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


class WaitForDatabase(Middleware):
    """Holds a message that failed because the database is away, until it answers: then it is tried at once.

    One thread at a time asks, some time apart, for the whole process. Nothing else is begun meanwhile that would fail
    as well, so that messages wait in their queues, as many as they are, and not for a time that was set.
    """

    def __init__(self, answers: Callable[[], bool]) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self._asked_at = -math.inf
        self._is_there = True
        self._stop = threading.Event()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Hold nothing any more."""
        self._stop.set()

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002 — Dramatiq's signature
        message: MessageProxy,
        *,
        result: object = None,  # noqa: ARG002
        exception: BaseException | None = None,
    ) -> None:
        """Hold it, where the database is away; one that answers was in the way for another reason."""
        if exception is None or not isinstance(conclude(exception), DatabaseAwayError) or self._is_back():
            return
        deadline = time.monotonic() + HELD_SECONDS
        while time.monotonic() < deadline and not self._stop.wait(
            random.uniform(_SHORTEST_PROBE_SECONDS, _LONGEST_PROBE_SECONDS)  # noqa: S311 — no secret
        ):
            if self._is_back():
                break
        message.options["retries"] = 0
        message.was_held = True  # type: ignore[attr-defined]

    def _is_back(self) -> bool:
        with self._lock:
            if time.monotonic() > self._asked_at + _SHORTEST_PROBE_SECONDS:
                self._is_there = self._answers()
                self._asked_at = time.monotonic()
            return self._is_there


class SafeRetries(Retries):
    """Tries again, and where the retry cannot be published either, leaves the message to the broker.

    What the surroundings lacked something for is delivered again: database and broker may be away at once. Anything
    else waits among the dead letters.

    A process that reads no requests publishes nothing at all: whoever may put a message into a queue may put one into
    that of requests, in anybody's name. It leaves every message to the broker; the row is the truth.
    """

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Learn which of the two this process is, before the consumers start."""
        if worker.consumer_whitelist and worker.consumer_whitelist.isdisjoint(INGEST_ACTORS):
            broker.may_publish = False  # type: ignore[attr-defined]

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Publish the retry, or fail the message: upstream would acknowledge it and lose it (its issue 545)."""
        if not getattr(broker, "may_publish", True):
            if exception is not None:
                _leave(message, exception)
            return
        try:
            super().after_process_message(  # type: ignore[no-untyped-call]
                broker, message, result=result, exception=exception
            )
        except Exception as error:  # noqa: BLE001 — whatever went wrong, the message must not be acknowledged
            log.warning("retry_not_published", error=type(error).__name__)
            _leave(message, exception)


def _leave(message: MessageProxy, exception: BaseException | None) -> None:
    """Let the broker deliver it again, where something is waited for, or put it aside."""
    message.is_given_back = exception is not None and is_waited_for(exception)  # type: ignore[attr-defined]
    message.fail()


class ThreadWatchdog(Middleware):
    """Leaves when the process cannot work any more, and tells what it lacks meanwhile.

    It looks once a second, from the boot until the stop begins: threads end then, as they should. Who lacks descriptors
    or memory finishes what is under way and leaves; who stands still leaves at once. Another process takes its place.
    """

    def __init__(self, pulse: Pulse, stuck: threading.Event) -> None:
        self._pulse = pulse
        self._stuck = stuck
        self._begun: dict[int, float] = {}
        """When each thread began its message."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._exhausted = 0
        """How many looks in a row found that it lacks what every process needs."""
        self._starts = ThreadStarts()

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Begin."""
        self._thread = threading.Thread(target=self._look, args=(worker,), name="thread-watchdog", daemon=True)
        self._thread.start()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """Take note of when it began; an import may take longer by so much."""
        more = (IMPORT_LIMIT_MS - TIME_LIMIT_MS) / 1000 if message.actor_name == HANDLE_PREVIEW else 0
        self._begun[threading.get_ident()] = time.monotonic() + more

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """It is over."""
        self._begun.pop(threading.get_ident(), None)

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002 — Dramatiq's signature
        message: MessageProxy,  # noqa: ARG002
        *,
        result: object = None,  # noqa: ARG002
        exception: BaseException | None = None,
    ) -> None:
        """It is over; take note where it could not be served for lack of descriptors or memory."""
        self._begun.pop(threading.get_ident(), None)
        if exception is not None and isinstance(conclude(exception), ExhaustedError):
            self._exhausted = EXHAUSTED_LOOKS

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """End."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self._pulse.stop()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002 — Dramatiq's signature
        """Let the supervisor see why, where it was not asked to stop."""
        if self._exhausted >= EXHAUSTED_LOOKS:
            os._exit(EXHAUSTED)

    def _look(self, worker: Worker) -> None:
        while not self._stop.wait(_PERIOD_SECONDS):
            if dead := [thread.name for thread in _threads(worker) if thread.ident and not thread.is_alive()]:
                log.critical("thread_dead", threads=dead)
                os._exit(THREAD_DEAD)
            if self._is_stuck():
                log.critical("process_stuck")
                os._exit(STUCK)
            if self._exhausted < EXHAUSTED_LOOKS:
                self._exhausted = self._exhausted + 1 if lacks_descriptors() else 0
            if self._exhausted >= EXHAUSTED_LOOKS:
                log.critical("process_exhausted")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            self._pulse.beat(_lack(worker))

    def _is_stuck(self) -> bool:
        """Whether a job stands still, a thread does not start, or a message takes longer than any may."""
        longest = time.monotonic() - min(list(self._begun.values()), default=math.inf)
        return self._stuck.is_set() or self._starts.are_stuck() or longest > LONGEST_MESSAGE_SECONDS


def _threads(worker: Worker) -> Iterator[ConsumerThread | WorkerThread]:
    yield from worker.workers
    yield from list(worker.consumers.values())


def _lack(worker: Worker) -> str:
    apart = sorted(name for name, thread in list(worker.consumers.items()) if not _is_connected(thread))
    return f"RabbitMQ ne donne rien de : {', '.join(apart)}" if apart else ""


def _is_connected(thread: ConsumerThread) -> bool:
    return isinstance(thread.consumer, GuardedConsumer) and bool(thread.consumer.channel.is_open)


def is_worth_retrying(retries: int, error: BaseException) -> bool:
    """What the surroundings lack is waited for, as worker/error_policy.py says; anything else has a few tries."""
    return is_waited_for(error) or retries < _TRIES


def build_middleware() -> Sequence[Middleware]:
    """The whole list."""
    return (
        LogContext(),
        CurrentMessage(),
        FairPrefetch(),
        QuietReconnection(),
        TimeLimit(time_limit=TIME_LIMIT_MS),
        SafeRetries(min_backoff=FIRST_BACKOFF_MS, max_backoff=LONGEST_BACKOFF_MS, retry_when=is_worth_retrying),
    )
