"""AMQP properties that no sender can hurt us with.

pika loses its connection over a header that Python cannot hold: a date beyond the year 9999, tables nested a thousand
times. The broker then delivers the same message again, and so on for ever: nobody else is served.
"""

from typing import Self

import structlog
from pika import spec

log = structlog.get_logger()


class TolerantProperties(spec.BasicProperties):
    """Properties that are read as far as they can be."""

    is_readable = True

    def decode(self, encoded: bytes, offset: int = 0) -> Self:
        """Read them; when that fails, what follows the fault is absent."""
        try:
            super().decode(encoded, offset)
        except Exception as error:  # noqa: BLE001 — whatever it holds, it must not reach the connection
            log.warning("unreadable_properties", error=type(error).__name__)
            self.is_readable = False
        return self


def tolerate_any_properties() -> None:
    """Let every connection of this process read properties so, from now on."""
    spec.props[spec.BasicProperties.INDEX] = TolerantProperties


def printable(value: object) -> str:
    """A text of the sender's that may be stored and shown; empty when it is none, or holds control characters."""
    return value if isinstance(value, str) and value.isprintable() else ""
