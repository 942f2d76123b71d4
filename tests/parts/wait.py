"""Wait for a condition, instead of sleeping."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = float(os.environ.get("TESTS_PATIENCE", "60"))
"""The default timeout; shorter where the condition is not expected to hold (`make mutants`)."""

_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.1

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, timeout: float = PATIENCE_SECONDS, message: str) -> T:
    """Call `condition` until it returns a true value, and return that.

    Args:
        condition: called every 20 ms, later every 100 ms; its exceptions are not caught.
        timeout: seconds; a minute means that the condition never holds, not that the machine is busy.
        message: the awaited thing, for the failure message.

    Raises:
        AssertionError: it was still false after `timeout`.
    """
    deadline = time.monotonic() + timeout
    pause = _POLL_SECONDS
    while True:
        if value := condition():
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {message}")
        time.sleep(pause)
        pause = min(pause * 1.1, _LONGEST_POLL_SECONDS)
