"""What `--json` prints; fields are added and never changed (docs/producers.md)."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from common.cli import ExitCode
from producers.errors import ProducerError
from producers.records import ExportState, RequestState
from schemas.envelope import CloudEvent


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
    return {"exports": [_export(export, exports_dir) for export in exports]}


def error_document(error: ProducerError) -> dict[str, Any]:
    """What went wrong before there was an outcome to print."""
    return {"error": {"code": error.code, "message": str(error)}, "exit_code": error.exit_code.value}


def print_document(document: dict[str, Any]) -> None:
    """Write the document on standard output, in ASCII: no locale can spoil it."""
    json.dump(document, sys.stdout, indent=2, default=_instant)
    sys.stdout.write("\n")


def _export(export: ExportState, exports_dir: Path | None) -> dict[str, Any]:
    place = {"path": export.path, "report_path": export.report_path}
    if exports_dir is not None:
        place["file"] = str(exports_dir / export.path) if export.purged_at is None else None
    return asdict(export) | place


def _instant(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds")
