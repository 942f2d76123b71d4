"""Waiting for the files of a request, by asking the state at a growing interval: bars on a terminal, else lines."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from common.french import format_number
from producers.errors import StateAwayError
from producers.records import WORDS, ExportState, RequestState
from schemas.envelope import CloudEvent
from schemas.vocabulary import ExportStatus

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


UNREAD_SECONDS = 5.0
"""After this long, a request that nobody read is worth a hint."""

LINE_SECONDS = 5.0
"""At most one line of progress per file in this time, where there is no terminal."""

_UNREAD = "pas encore lue : un worker tourne-t-il ?"

Show = Callable[[RequestState], None]


@contextmanager
def open_view(console: Console, event: CloudEvent) -> Iterator[Show]:
    """Give the function that shows where the request stands."""
    if console.is_terminal:
        with _open_bars(console, event) as show:
            yield show
    else:
        console.print(f"Demande {event.id} envoyée ; attente des fichiers.", soft_wrap=True)
        yield _Lines(console)


@contextmanager
def _open_bars(console: Console, event: CloudEvent) -> Iterator[Show]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=10),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    started_at = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        request_bar = progress.add_task(f"Demande {event.id[:8]}", total=None, detail="envoyée")
        bars: dict[int, TaskID] = {}

        def show(request: RequestState) -> None:
            if request.outcome is not None:
                progress.update(request_bar, visible=False)
            elif time.monotonic() - started_at > UNREAD_SECONDS:
                progress.update(request_bar, detail=_UNREAD)
            for export in request.exports:
                if export.export_id not in bars:
                    bars[export.export_id] = progress.add_task(export.label, total=None, detail="")
                progress.update(
                    bars[export.export_id],
                    total=export.electeurs or (1 if export.status.is_terminal else None),
                    completed=export.lines_written or int(export.status.is_terminal),
                    detail=describe_progress(export),
                )

        yield show


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_at = time.monotonic()
        self._hinted = False
        self._shown: dict[int, tuple[ExportStatus, int, float]] = {}

    def __call__(self, request: RequestState) -> None:
        now = time.monotonic()
        if request.outcome is None and not self._hinted and now - self._started_at > UNREAD_SECONDS:
            self._hinted = True
            self._print(f"Demande {_UNREAD}")
        for export in request.exports:
            status, written, shown_at = self._shown.get(export.export_id, (None, -1, 0.0))
            moved = export.lines_written != written and now - shown_at > LINE_SECONDS
            if export.status is not status or moved:
                self._shown[export.export_id] = (export.status, export.lines_written, now)
                self._print(f"{export.label} : {describe_progress(export)}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def describe_progress(export: ExportState) -> str:
    """The state of one file and, while it is written, how far it is; what cannot be used is not called ready."""
    if export.status is ExportStatus.RUNNING and export.electeurs is not None:
        return f"{format_number(export.lines_written)} / {format_number(export.electeurs)} {WORDS[export.kind].counted}"
    return export.state
