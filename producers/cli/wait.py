"""Waiting for the files of a request, by asking the state at a growing interval."""

import time
from typing import Protocol

from rich.console import Console

from producers.cli.progress import open_view
from producers.errors import StateAwayError
from producers.records import RequestState
from schemas.envelope import CloudEvent

FIRST_POLL_SECONDS = 0.2
LAST_POLL_SECONDS = 1.0

AWAY_SECONDS = 15.0
"""How long a database that stopped answering is waited for: a restart is not the end of a request."""


class ProgressSource(Protocol):
    """What `producers.state.State` is here."""

    def request_progress(self, source: str, event_id: str) -> RequestState: ...  # noqa: D102 — State's


def wait_for(state: ProgressSource, event: CloudEvent, console: Console, timeout: float | None = None) -> RequestState:
    """Show the progress of each file until all are made, refused or failed, or until `timeout` seconds have passed.

    The result is then not terminal: the files may still come. None waits for ever.

    Raises:
        StateAwayError: the database has not answered for AWAY_SECONDS.
    """
    deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
    answered_at = time.monotonic()
    pause = FIRST_POLL_SECONDS
    last = RequestState()
    with open_view(console, event) as show:
        while True:
            try:
                now = state.request_progress(event.source, event.id)
                answered_at = time.monotonic()
            except StateAwayError:
                if time.monotonic() - answered_at > AWAY_SECONDS:
                    raise
                now = last
            show(now)
            left = deadline - time.monotonic()
            if now.is_terminal or left <= 0:
                return now
            pause = FIRST_POLL_SECONDS if now != last else min(pause * 1.2, LAST_POLL_SECONDS)
            last = now
            time.sleep(min(pause, left))
