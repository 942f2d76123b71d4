"""Waiting for a condition, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

_POLL_SECONDS = 0.02

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, timeout: float = 60, message: str) -> T:
    """Call `condition` until it gives something true, and return that.

    Args:
        condition: asked every 20 ms; what it raises goes through at once.
        timeout: seconds.
        message: what was awaited, for whoever reads the failure.

    Raises:
        AssertionError: it was still false after `timeout`.
    """
    deadline = time.monotonic() + timeout
    while True:
        if value := condition():
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {message}")
        time.sleep(_POLL_SECONDS)
