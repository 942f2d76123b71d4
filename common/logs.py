"""Structured logs on standard error, of the screen and of the worker: one rule for both, and for their libraries.

Never an elector's data: no message of an exception, no SQL parameter, no local variable, nothing of a form.
"""

import hashlib
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Literal

# Where rich is, structlog loads it to draw tracebacks, which nobody draws here: 4 MB and a twentieth of a second.
_modules: dict[str, Any] = sys.modules
_modules.setdefault("rich", None)
import structlog  # noqa: E402 — without it
from structlog.typing import EventDict, Processor  # noqa: E402

if _modules["rich"] is None:
    del _modules["rich"]

SILENCE_SECONDS = 60
"""How long the throttle says nothing new of what is away."""

_FRAMES = 8

_IDENTIFIER = re.compile(r"[!-~]+")
"""ASCII without a space, as UUIDs, addresses and numbers are."""

_TALKATIVE = ("authlib", "httpcore2", "httpx2", "pika", "python_multipart")
"""Libraries that log what they carry: addresses with their question marks, codes of a login."""

log = structlog.stdlib.get_logger(__name__)


def configure_logs(style: Literal["json", "console"], level: str) -> None:
    """Send our logs and the libraries' through one chain, as JSON lines or for a terminal."""
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_render(style)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.raiseExceptions = False  # a log that cannot be written must not print what it was about
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def request_keys(correlation_id: str, trace_id: str) -> dict[str, str]:
    """What every line about a request bears; what is not known is bound all the same, lest it be a neighbour's.

    No line shows an empty one.
    """
    return {"correlation_id": correlation_id, "trace_id": trace_id}


def describe_exception(error: BaseException) -> dict[str, Any]:
    """The type of an error and the lines of code it went through, without its message."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return {
        "type": type(error).__name__,
        "at": [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames],
    }


def _render(style: Literal["json", "console"]) -> list[Processor]:
    if style == "json":
        return [structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [_write_exception, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]


def _clean_request_keys(_logger: Any, _method: str, event: EventDict) -> EventDict:  # noqa: ANN401 — structlog's
    """Without the empty ones; of a correlation id that is no identifier, its digest.

    A sender calls its event what it likes, by somebody's name perhaps.
    """
    for key in request_keys("", ""):
        if event.get(key) == "":
            del event[key]
    name = event.get("correlation_id")
    if isinstance(name, str) and not _IDENTIFIER.fullmatch(name):
        event["correlation_id"] = f"sha256:{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:16]}"
    return event


def _summarize_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:  # noqa: ANN401 — structlog's
    """Of the libraries' own errors too."""
    exc_info = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, None)
    if isinstance(exc_info, tuple) and exc_info[1] is not None:
        event["exception"] = describe_exception(exc_info[1])
    return event


def _write_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:  # noqa: ANN401 — structlog's
    """As text: a terminal's renderer takes no mapping, and would lose the line."""
    if isinstance(exception := event.get("exception"), dict):
        event["exception"] = f"{exception['type']} at {' < '.join(reversed(exception['at']))}"
    return event


class LogThrottle:
    """Says that one thing is away without filling the log: at once, then each minute, then that it is back."""

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._began = self._said = 0.0
        self._times = 0

    def failed(self, error: Exception) -> None:
        """It failed: a line now, unless one was written less than a minute ago."""
        now = self._clock()
        is_first = self._times == 0
        self._times += 1
        if is_first:
            self._began = now
        if is_first or now >= self._said + SILENCE_SECONDS:
            self._said = now
            log.error("outage", **describe_exception(error), **self._so_far(now))

    def succeeded(self) -> None:
        """It works; a line when it did not before."""
        if self._times:
            log.info("outage_over", **self._so_far(self._clock()))
            self._times = 0

    def _so_far(self, now: float) -> dict[str, str | int]:
        return {"what": self._what, "seconds": round(now - self._began), "times": self._times}
