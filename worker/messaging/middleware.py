"""The middleware of every worker, in order, each for a reason. No Results, Groups, Pipelines: the row is the result."""

from collections.abc import Callable, Sequence

import structlog
from dramatiq import Broker, Middleware, Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import CurrentMessage, Retries, TimeLimit
from sqlalchemy.exc import OperationalError

from worker.messaging.encoder import EventArgument

log = structlog.get_logger()

TIME_LIMIT_MS = 9 * 60_000
"""Under Dramatiq's shutdown timeout (10 min), itself under the broker's consumer timeout (30 min)."""

FIRST_BACKOFF_MS, LONGEST_BACKOFF_MS = 1_000, 15_000
"""The second is also how late a message may learn that the database is back."""

_TRIES = 3


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
