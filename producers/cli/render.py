"""What the commands print: for people, and with `--json` for programs; while files are waited for, how far each is.

In a document of `--json`, fields are added and never changed (docs/producers.md).
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.cli import ExitCode
from common.french import count_of, format_number, format_size, short_date
from producers.errors import ProducerError, StateAwayError
from producers.records import WORDS, ExportState, RequestState
from schemas.envelope import CloudEvent
from schemas.vocabulary import ExportKind, ExportStatus

_WIDTH_IN_A_FILE = 120
_UUID_WIDTH = 36


def make_console(*, stderr: bool = False) -> Console:
    """A console on standard output or error, of a fixed width where it is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, markup=False, highlight=False, width=None if stream.isatty() else _WIDTH_IN_A_FILE)


def print_sent(console: Console, event: CloudEvent) -> None:
    """Say that the broker holds the request."""
    _print(console, f"Demande {event.id} envoyée ; RabbitMQ l'a prise. Où elle en est : python -m producers exports")


def print_exports(console: Console, exports: Sequence[ExportState], *, with_ids: bool = False) -> None:
    """Print the files as a table, in the order given; with what `cancel` and `retry` name them by, if asked to."""
    if not exports:
        _print(console, "Aucun export.")
        return
    kinds = {export.kind for export in exports}
    counted = "\nou ".join(words.counted for kind, words in WORDS.items() if kind in kinds).capitalize()
    pages = ["Pages"] if ExportKind.TABLEAU in kinds else []
    table = Table("Commune", box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    if with_ids:
        table.add_column("N°", justify="right", no_wrap=True)
        table.add_column("Demande", min_width=_UUID_WIDTH if console.width >= _WIDTH_IN_A_FILE else 20, overflow="fold")
    table.add_column("Fichier", min_width=20)
    table.add_column("État", no_wrap=True)
    for title in (counted, *pages, "Bloquantes", "Remarques", "Taille"):
        table.add_column(title, justify="right", no_wrap=True)
    for export in exports:
        checked = export.status is ExportStatus.READY
        table.add_row(
            export.code_commune,
            *((str(export.export_id), Text(export.event_id)) if with_ids else ()),
            Text(export.label),  # a console with markup would take its brackets for a style
            export.state.label,
            format_number(export.electeurs),
            *(format_number(export.pages) for _ in pages),
            format_number(export.bloquantes if checked else None),
            format_number(export.remarques if checked else None),
            format_size(export.size),
        )
    console.print(table)


def print_others(console: Console, shown: int, total: int) -> None:
    """Say how many older files were left out, and how to see them."""
    if (others := total - shown) > 0:
        _print(console, f"… et {count_of(others, 'autre', 'autres')} : --limit {total}")


def print_files(console: Console, exports: Sequence[ExportState], exports_dir: Path | None = None) -> None:
    """Print the SHA-256 and the place of each file made, as `sha256sum --check` reads them."""
    for export in exports:
        if export.is_available:
            _print(console, f"{export.sha256}  {(exports_dir or Path()) / export.path}")


def print_request(console: Console, event: CloudEvent, request: RequestState, exports_dir: Path | None = None) -> None:
    """Print what became of a request: its files, and what there is to do about each that cannot be deposited."""
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
    lines = [] if request.is_terminal else ["Délai dépassé : les fichiers manquants peuvent encore venir."]
    if request.reason:
        lines.append(f"Demande refusée : {request.reason}")
    for export in request.exports:
        if export.error_message and export.status is not ExportStatus.READY:
            lines.append(f"{export.label} : {export.error_message}")
        elif export.recalled_at and export.status is ExportStatus.READY:
            lines.append(f"{export.label} : {export.recalled_because}")
        elif export.bloquantes and export.status is ExportStatus.READY:
            found = count_of(export.bloquantes, "anomalie bloquante", "anomalies bloquantes")
            report = f" ; à corriger d'après {exports_dir / export.report_path}" if export.report_path else ""
            lines.append(f"{export.label} : {found}, {WORDS[export.kind].consequence}{report}")
            lines += [f"{export.label} : {said}" for said in export.blocking_messages]
        elif export.provisoire_until and export.status is ExportStatus.READY:
            day = short_date(export.provisoire_until)
            lines.append(f"{export.label} : à refaire à partir du {day}, avant d'être signé, publié ou déposé")
        elif export.is_incomplete and export.status is ExportStatus.READY:
            lines.append(f"{export.label} : à compléter avant la publication, {export.missing}")
    return lines


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def request_document(
    event: CloudEvent, request: RequestState | None, code: ExitCode, exports_dir: Path | None
) -> dict[str, Any]:
    """A request that was sent and, when somebody waited for it, what became of it."""
    request = request or RequestState()
    return {
        "request": {"source": event.source, "id": event.id, "type": event.type, "correlationid": event.correlationid},
        "exit_code": code.value,
        "outcome": request.outcome,
        "reason": request.reason,
        **exports_document(request.exports, exports_dir),
    }


def exports_document(exports: Sequence[ExportState], exports_dir: Path | None) -> dict[str, Any]:
    """Files: the columns of `derniers_exports`, instants as ISO 8601 in UTC, and where each file is."""
    return {"exports": [_export_document(export, exports_dir) for export in exports]}


def error_document(error: ProducerError) -> dict[str, Any]:
    """What went wrong before there was an outcome to print."""
    return {"error": {"code": error.code, "message": str(error)}, "exit_code": error.exit_code.value}


def print_document(document: dict[str, Any]) -> None:
    """Write the document on standard output, in ASCII: no locale can spoil it."""
    json.dump(document, sys.stdout, indent=2, default=_instant)
    sys.stdout.write("\n")


def _export_document(export: ExportState, exports_dir: Path | None) -> dict[str, Any]:
    place = {"path": export.path, "report_path": export.report_path}
    if exports_dir is not None:
        place["file"] = str(exports_dir / export.path) if export.purged_at is None else None
    return asdict(export) | place


def _instant(value: date) -> str:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value.isoformat()


FIRST_POLL_SECONDS = 0.2
LAST_POLL_SECONDS = 1.0

AWAY_SECONDS = 15.0
"""How long a database that stopped answering is waited for: a restart is not the end of a request."""

UNREAD_SECONDS = 5.0
"""After this long, a request that no worker has read is worth a hint."""

LINE_SECONDS = 5.0
"""At most one line of progress per file in this time."""


class ProgressSource(Protocol):
    """What `producers.state.State` is here."""

    def request_progress(self, source: str, event_id: str) -> RequestState: ...  # noqa: D102 — State's


def wait_for(state: ProgressSource, event: CloudEvent, console: Console, timeout: float | None = None) -> RequestState:
    """Show the progress of each file until all are made, refused or failed, or until `timeout` seconds have passed.

    The result is then not terminal: the files may still come. None waits for ever. The pause between two questions
    grows while nothing changes.

    Raises:
        StateAwayError: the database has not answered for AWAY_SECONDS.
    """
    answered_at = time.monotonic()
    deadline = answered_at + (float("inf") if timeout is None else timeout)
    pause, last = FIRST_POLL_SECONDS, RequestState()
    _print(console, f"Demande {event.id} envoyée ; attente des fichiers.")
    show = _Progress(console)
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


class _Progress:
    """Prints a line for each change of a file, and for each step of one that is being written."""

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
    """The state of one file and, while it is written, how far it is; what cannot be used is not called ready."""
    if export.status is ExportStatus.RUNNING and export.electeurs is not None:
        return f"{format_number(export.lines_written)} / {format_number(export.electeurs)} {WORDS[export.kind].counted}"
    return export.state.label
