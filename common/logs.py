"""Structured logs on standard error, configured the same way for screen, worker and libraries.

Logs hold no data of electors: no SQL parameter, local variable or form value, and of exceptions only the message of a
database or a broker that refuses to work.
"""

import hashlib
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor

SILENCE_SECONDS = 60
"""Seconds between two lines of the throttle about one outage."""

_IDENTIFIER = re.compile(r"[!-~]+")
"""ASCII without spaces, such as UUIDs, addresses and numbers."""

_TALKATIVE = ("authlib", "httpcore2", "httpx2", "pika", "python_multipart")
"""Libraries that log private data: URLs with their query, login codes."""

log = structlog.stdlib.get_logger(__name__)


def configure_logs(style: Literal["json", "console"], level: str) -> None:
    """Send our logs and the libraries' logs through one chain, as JSON lines or for a terminal."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _clean_request_keys,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _summarize_exception,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_render(style),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.raiseExceptions = False  # logging must not print the record that it fails to write
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def request_keys(correlation_id: str, trace_id: str) -> dict[str, str]:
    """Return the log keys of a request, empty where unknown, so that no key of an earlier request remains bound.

    Empty keys are left out of the lines.
    """
    return {"correlation_id": correlation_id, "trace_id": trace_id}


def describe_exception(error: BaseException) -> dict[str, Any]:
    """Return the type of an error, its last frames (file and line), and its text where it can quote no value."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    described = {
        "type": type(error).__name__,
        "at": [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames],
    }
    cause: BaseException | None = error
    # Causes may be a ring: `raise reason from error` where both are one. The lock of the log is held here.
    for _ in range(_MOST_CAUSES):
        if cause is None:
            break
        if said := text_without_values(cause):
            return {**described, "text": said}
        cause = cause.__cause__
    return described


_MOST_CAUSES = 8


_SURROUNDINGS = ("08", "25", "28", "3D", "40", "42501", "42P01", "42703", "53", "55", "57", "58")
"""SQLSTATE classes and codes of PostgreSQL whose first line names accounts, tables and limits, never a value."""

_LONGEST_TEXT = 300


def text_without_values(error: BaseException) -> str:
    """Return the first line of an error of PostgreSQL or RabbitMQ; empty when it could quote a value of a statement.

    A failed connection to PostgreSQL has no SQLSTATE: its text names host, port and account.
    """
    answer = getattr(error, "orig", None) or error
    kind = type(answer)
    if kind.__module__.startswith("psycopg"):
        state = getattr(answer, "sqlstate", None)
        is_safe = state.startswith(_SURROUNDINGS) if state else kind.__name__ == "OperationalError"
        said = str(answer) if is_safe else ""
    elif kind.__module__.startswith("pika."):
        said = getattr(answer, "reply_text", "")
    else:
        said = ""
    return said.strip().partition("\n")[0][:_LONGEST_TEXT]


def _render(style: Literal["json", "console"]) -> list[Processor]:
    if style == "json":
        return [structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [_write_exception, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]


def _clean_request_keys(_logger: Any, _method: str, event: EventDict) -> EventDict:  # noqa: ANN401 — structlog's
    """Remove empty keys; replace a correlation id that is no identifier by its digest.

    Producers choose the correlation id, which may contain a person's name.
    """
    for key in request_keys("", ""):
        if event.get(key) == "":
            del event[key]
    name = event.get("correlation_id")
    if isinstance(name, str) and not _IDENTIFIER.fullmatch(name):
        event["correlation_id"] = (
            f"sha256:{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:16]}"
        )
    return event


def _summarize_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:  # noqa: ANN401 — structlog's
    """Replace the exception of a line by `describe_exception`, in the libraries' lines too."""
    exc_info = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, None)
    if isinstance(exc_info, tuple) and exc_info[1] is not None:
        event["exception"] = describe_exception(exc_info[1])
    return event


def _write_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:  # noqa: ANN401 — structlog's
    """Write the exception as text: structlog's console renderer fails on a mapping, and the line would be lost."""
    if isinstance(exception := event.get("exception"), dict):
        said = f" ({exception['text']})" if "text" in exception else ""
        event["exception"] = f"{exception['type']}{said} at {' < '.join(reversed(exception['at']))}"
    return event


class LogThrottle:
    """Logs an outage without filling the log: at the first failure, then once a minute, then at recovery."""

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._began = self._said = 0.0
        self._times = 0

    def failed(self, error: Exception) -> None:
        """Count a failure; log it unless a line was written less than a minute ago."""
        now = self._clock()
        is_first = self._times == 0
        self._times += 1
        if is_first:
            self._began = now
        if is_first or now >= self._said + SILENCE_SECONDS:
            self._said = now
            log.error("outage", **describe_exception(error), **self._so_far(now))

    def succeeded(self) -> None:
        """Log the recovery, if there was an outage."""
        if self._times:
            log.info("outage_over", **self._so_far(self._clock()))
            self._times = 0

    def _so_far(self, now: float) -> dict[str, str | int]:
        return {"what": self._what, "seconds": round(now - self._began), "times": self._times}
