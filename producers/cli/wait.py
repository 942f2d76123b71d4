"""Waiting for the files of a request, by asking the state at a growing interval."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from rich.console import Console

from producers.cli.progress import open_view
from producers.errors import StateAwayError
from producers.records import RequestState
from schemas.envelope import CloudEvent

FIRST_POLL_SECONDS = 0.2
LAST_POLL_SECONDS = 1.0

AWAY_SECONDS = 15.0
"""How long a database that stopped answering is waited for: a restart is not the end of a request."""


T = TypeVar("T")


class ProgressSource(Protocol):
    """What `producers.state.State` is here."""

    def request_progress(self, source: str, event_id: str) -> RequestState: ...  # noqa: D102 — State's


def wait_for(state: ProgressSource, event: CloudEvent, console: Console, timeout: float | None = None) -> RequestState:
    """Show the progress of each file until all are made, refused or failed, or until `timeout` seconds have passed.

    The result is then not terminal: the files may still come. None waits for ever.

    Raises:
        StateAwayError: the database has not answered for AWAY_SECONDS.
    """
    with open_view(console, event) as show:
        return poll(
            lambda: state.request_progress(event.source, event.id),
            RequestState(),
            show,
            lambda request: request.is_terminal,
            timeout=timeout,
            pauses=(FIRST_POLL_SECONDS, LAST_POLL_SECONDS),
        )


def poll(
    read: Callable[[], T],
    nothing: T,
    show: Callable[[T], None],
    is_over: Callable[[T], bool],
    *,
    timeout: float | None,
    pauses: tuple[float, float],
) -> T:
    """Read and show again and again until it is over or `timeout` seconds have passed; `nothing` is known at first.

    The pause grows from the first of `pauses` to the second while nothing changes.

    Raises:
        StateAwayError: the database has not answered for AWAY_SECONDS.
    """
    deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
    answered_at = time.monotonic()
    shortest, longest = pauses
    pause, last = shortest, nothing
    while True:
        try:
            now = read()
            answered_at = time.monotonic()
        except StateAwayError:
            if time.monotonic() - answered_at > AWAY_SECONDS:
                raise
            now = last
        show(now)
        left = deadline - time.monotonic()
        if is_over(now) or left <= 0:
            return now
        pause = shortest if now != last else min(pause * 1.2, longest)
        last = now
        time.sleep(min(pause, left))
