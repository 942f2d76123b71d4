"""Waiting for a condition, instead of sleeping and hoping."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = float(os.environ.get("TESTS_PATIENCE", "60"))
"""How long a condition is waited for; less where it is not expected to come true (`make mutants`)."""

_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.1

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, timeout: float = PATIENCE_SECONDS, message: str) -> T:
    """Call `condition` until it gives something true, and return that.

    Args:
        condition: asked every 20 ms, later every 100 ms; what it raises goes through at once.
        timeout: seconds; a minute says that it does not come, not that the machine is busy.
        message: what was awaited, for whoever reads the failure.

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
