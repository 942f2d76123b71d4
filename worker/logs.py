"""Structured logs on standard error; never an elector's data, never a local variable."""

import logging
import sys
import traceback
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, ExcInfo, Processor


def configure_logs(style: Literal["json", "console"], level: str) -> None:
    """Send our logs and the libraries' through one chain, as JSON lines or for a terminal."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _summarize_exception,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.raiseExceptions = False  # a log that cannot be written must not print what it was about
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _summarize_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:  # noqa: ANN401 — structlog's
    """Keep where an exception came from and its type; its text and its SQL parameters may hold an elector's data."""
    exc_info: ExcInfo | bool | None = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()  # type: ignore[assignment]
    if isinstance(exc_info, tuple) and exc_info[0] is not None:
        event["exception"] = describe_exception(exc_info[1])
    return event


def describe_exception(error: BaseException) -> dict[str, Any]:
    """The type of an error and the lines of code it went through, without its message."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return {
        "type": type(error).__name__,
        "at": [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames],
    }
