"""What the commands print: for people, and with `--json` for programs.

There, fields are added and never changed (docs/producers.md).
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.cli import ExitCode
from common.french import count_of, format_number, format_size, short_date
from producers.errors import ProducerError
from producers.records import WORDS, ExportState, RequestState
from schemas.envelope import CloudEvent
from schemas.vocabulary import ExportKind, ExportStatus

_WIDTH_IN_A_FILE = 120
_UUID_WIDTH = 36
_PURGED = "purgé"


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
            _PURGED if checked and not export.is_available else export.state,
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
            lines.append(f"{export.label} : à refaire à partir du {day}, avant d'être signé, affiché ou déposé")
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
