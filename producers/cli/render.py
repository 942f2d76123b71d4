"""The output of the commands: text for people, and progress lines while waiting."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.french import count_of, format_number, format_size, short_date
from producers.errors import StateAwayError
from producers.records import WORDS, ExportState, RequestState
from schemas.envelope import CloudEvent
from schemas.vocabulary import ExportKind, ExportStatus, Piece

if TYPE_CHECKING:
    from producers.state import State

_WIDTH_IN_A_FILE = 120


def make_console(*, stderr: bool = False) -> Console:
    """Return a console on standard output or error; its width is fixed unless the stream is a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        markup=False,
        highlight=False,
        width=None if stream.isatty() else _WIDTH_IN_A_FILE,
    )


def print_exports(
    console: Console, exports: Sequence[ExportState], *, with_ids: bool = False
) -> None:
    """Print the files as a table, in the order given; `with_ids` adds the ids that `cancel` and `retry` need."""
    if not exports:
        _print(console, "Aucun export.")
        return
    kinds = {export.kind for export in exports}
    counted = "\nou ".join(
        words.counted for kind, words in WORDS.items() if kind in kinds
    ).capitalize()
    pages = ["Pages"] if ExportKind.TABLEAU in kinds else []
    table = Table("Commune", box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    if with_ids:
        table.add_column("N°", justify="right", no_wrap=True)
        table.add_column(
            "Demande", min_width=36 if console.width >= _WIDTH_IN_A_FILE else 20, overflow="fold"
        )
    table.add_column("Fichier", min_width=20)
    table.add_column("État", no_wrap=True)
    for title in (counted, *pages, "Bloquantes", "Remarques", "Taille"):
        table.add_column(title, justify="right", no_wrap=True)
    for export in exports:
        checked = export.status is ExportStatus.READY
        table.add_row(
            export.code_commune,
            *((str(export.export_id), Text(export.event_id)) if with_ids else ()),
            Text(export.label),  # a console with markup would parse the brackets as a style
            export.state.label,
            format_number(export.electeurs),
            *(format_number(export.pages) for _ in pages),
            format_number(export.bloquantes if checked else None),
            format_number(export.remarques if checked else None),
            format_size(export.size),
        )
    console.print(table)


def print_others(console: Console, shown: int, total: int) -> None:
    """Print how many older files are not shown, and the option that shows them."""
    if (others := total - shown) > 0:
        _print(console, f"… et {count_of(others, 'autre', 'autres')} : --limit {total}")


def print_files(
    console: Console, exports: Sequence[ExportState], exports_dir: Path | None = None
) -> None:
    """Print the SHA-256 and path of each available file, in the format of `sha256sum --check`."""
    for export in exports:
        if export.is_available:
            _print(console, f"{export.sha256}  {(exports_dir or Path()) / export.path}")


def print_request(
    console: Console, event: CloudEvent, request: RequestState, exports_dir: Path | None = None
) -> None:
    """Print the result of a request: its files, and advice about each file that cannot be deposited."""
    if request.exports:
        print_exports(console, request.exports)
        print_files(console, request.exports, exports_dir)
    for line in _advice(event, request, exports_dir or Path()):
        _print(console, line)


def _advice(event: CloudEvent, request: RequestState, exports_dir: Path) -> list[str]:
    if request.outcome is None:
        return [
            f"Délai dépassé : aucun worker n'a lu la demande {event.id}. Elle sera servie dès qu'un worker tournera."
        ]
    lines = (
        []
        if request.is_terminal
        else ["Délai dépassé : les fichiers manquants peuvent encore venir."]
    )
    if request.reason:
        lines.append(f"Demande refusée : {request.reason}")
    for export in request.exports:
        if export.status is not ExportStatus.READY:
            lines += [f"{export.label} : {export.error_message}"] if export.error_message else []
        elif export.recalled_at:
            lines.append(f"{export.label} : {export.recalled_because}")
        elif export.bloquantes:
            found = count_of(export.bloquantes, "anomalie bloquante", "anomalies bloquantes")
            piece = export.pieces.get(Piece.RAPPORT)
            report = (
                f" ; à corriger d'après {exports_dir / export.code_commune / piece.file_name}"
                if piece
                else ""
            )
            lines.append(f"{export.label} : {found}, {WORDS[export.kind].consequence}{report}")
            lines += [f"{export.label} : {said}" for said in export.blocking_messages]
        elif export.provisoire_until:
            day = short_date(export.provisoire_until)
            lines.append(
                f"{export.label} : à refaire à partir du {day}, avant d'être signé, publié ou déposé"
            )
        elif export.is_incomplete:
            lines.append(f"{export.label} : à compléter avant la publication, {export.missing}")
    return lines


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


POLL_SECONDS = 0.5

AWAY_SECONDS = 15.0
"""Seconds to wait for a database that has stopped answering, since it may be restarting."""

UNREAD_SECONDS = 5.0
"""Seconds after which a request that no worker has read is reported."""

LINE_SECONDS = 5.0
"""Minimum number of seconds between two lines of progress about a file."""


def wait_for(
    state: "State", sender: str, event: CloudEvent, console: Console, timeout: float | None = None
) -> RequestState:
    """Print the progress of each file until all are ready, refused or failed, or until `timeout` seconds have passed.

    After a timeout the result is not terminal, and the worker still produces the files. None waits without limit.

    Raises:
        StateAwayError: the database has not answered for AWAY_SECONDS.
    """
    answered_at = time.monotonic()
    deadline = answered_at + (float("inf") if timeout is None else timeout)
    now = RequestState()
    _print(console, f"Demande {event.id} envoyée ; attente des fichiers.")
    show = _Progress(console)
    while True:
        try:
            now = state.request_progress(sender, event.source, event.id)
            answered_at = time.monotonic()
        except StateAwayError:
            if time.monotonic() - answered_at > AWAY_SECONDS:
                raise
        show(now)
        left = deadline - time.monotonic()
        if now.is_terminal or left <= 0:
            return now
        time.sleep(min(POLL_SECONDS, left))


class _Progress:
    """Prints a line for each change of a file, and for the progress of a file that is being written."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_at = time.monotonic()
        self._hinted = False
        self._shown: dict[int, tuple[ExportStatus, int, float]] = {}

    def __call__(self, request: RequestState) -> None:
        now = time.monotonic()
        if request.outcome is None and not self._hinted and now - self._started_at > UNREAD_SECONDS:
            self._hinted = True
            _print(self._console, "Demande pas encore lue : un worker tourne-t-il ?")
        for export in request.exports:
            status, written, shown_at = self._shown.get(export.export_id, (None, -1, 0.0))
            moved = export.lines_written != written and now - shown_at > LINE_SECONDS
            if export.status is not status or moved:
                self._shown[export.export_id] = (export.status, export.lines_written, now)
                _print(self._console, f"{export.label} : {_describe_progress(export)}")


def _describe_progress(export: ExportState) -> str:
    """Return the state of a file and its progress; a file that cannot be used is not called ready."""
    if export.status is ExportStatus.RUNNING and export.electeurs is not None:
        return f"{format_number(export.lines_written)} / {format_number(export.electeurs)} {WORDS[export.kind].counted}"
    return export.state.label
