"""Following a batch: one line that says where it stands, until every request is settled."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from common.french import count_of, format_duration, format_number
from producers.batch.batch import Batch, BatchProgress
from producers.cli.render import UNREAD_SECONDS, poll

LINE_SECONDS = 10.0
"""Between two lines where there is no terminal."""

_FIRST_POLL_SECONDS, _LAST_POLL_SECONDS = 0.5, 2.0
_MEASURED_SECONDS = 3.0
"""Before, the pace is not known well enough to foretell anything."""


class BatchSource(Protocol):
    """What `producers.state.State` is here."""

    def batch_progress(self, source: str, batch: str) -> BatchProgress: ...  # noqa: D102 — State's


class ProgressLine:
    """Writes one line, again and again; `communes` are all those of the batch."""

    def __init__(
        self, write: Callable[[str], None], communes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._communes = communes
        self._clock = clock
        self._begun: tuple[float, int] | None = None

    def show_sent(self, sent: int) -> None:
        """How many requests the broker holds."""
        self._write(f"{format_number(sent)} / {format_number(self._communes)} demandes envoyées")

    def show(self, progress: BatchProgress) -> None:
        """Where the batch stands."""
        self._begun = self._begun or (self._clock(), progress.settled)
        facts = [f"{format_number(min(progress.settled, self._communes))} / {format_number(self._communes)} communes"]
        facts.append(count_of(progress.usable, "fichier prêt", "fichiers prêts"))
        if progress.provisional:
            facts.append(count_of(progress.provisional, "provisoire"))
        if progress.to_correct:
            facts.append(f"{format_number(progress.to_correct)} à corriger")
        if progress.to_complete:
            facts.append(f"{format_number(progress.to_complete)} à compléter")
        if progress.recalled:
            facts.append(f"{format_number(progress.recalled)} à refaire")
        if progress.failed:
            facts.append(f"{format_number(progress.failed)} en échec")
        if progress.cancelled:
            facts.append(count_of(progress.cancelled, "annulé", "annulés"))
        if progress.refused:
            facts.append(count_of(progress.refused, "demande refusée", "demandes refusées"))
        facts.append(self._foretell(progress))
        self._write(", ".join(filter(None, facts)))

    def _foretell(self, progress: BatchProgress) -> str:
        since, settled_then = self._begun or (self._clock(), 0)
        elapsed, settled = self._clock() - since, progress.settled - settled_then
        if not progress.read and elapsed > UNREAD_SECONDS:
            return "aucune n'est encore lue : un worker tourne-t-il ?"
        if elapsed < _MEASURED_SECONDS or not settled or progress.settled >= self._communes:
            return ""
        return f"reste environ {format_duration(elapsed / settled * (self._communes - progress.settled))}"


@contextmanager
def open_line(console: Console, communes: int) -> Iterator[ProgressLine]:
    """The line: always the same one on a terminal, a new one now and then elsewhere."""
    if not console.is_terminal:
        yield ProgressLine(_LineByLine(console), communes)
        return
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}", markup=False), console=console, transient=True
    ) as bar:
        task = bar.add_task("", total=None)
        yield ProgressLine(lambda text: bar.update(task, description=text), communes)


class _LineByLine:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ("", float("-inf"))

    def __call__(self, text: str) -> None:
        said, at = self._last
        if text != said and time.monotonic() - at > LINE_SECONDS:
            self._last = (text, time.monotonic())
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def wait_for_batch(
    state: BatchSource, batch: Batch, show: Callable[[BatchProgress], None], timeout: float | None = None
) -> BatchProgress:
    """Show where the batch stands until each of its requests is settled, or until `timeout` seconds have passed.

    Raises:
        StateAwayError: the database has not answered for long.
    """
    return poll(
        lambda: state.batch_progress(batch.source, batch.name),
        BatchProgress(),
        show,
        lambda progress: progress.settled >= len(batch.events),
        timeout=timeout,
        pauses=(_FIRST_POLL_SECONDS, _LAST_POLL_SECONDS),
    )
