"""One event and its files, as a producer knows them."""

from dataclasses import replace
from datetime import UTC, datetime

from producers.cli.export_liste import build_event
from producers.records import ExportState, RequestState
from schemas.vocabulary import ExportStatus, RequestOutcome

INSTANT = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
EVENT = build_event("13900", requested_by="mairie", source="/tests")

_EXPORT = ExportState(
    export_id=1,
    source=EVENT.source,
    event_id=EVENT.id,
    requested_by="mairie",
    requested_at=INSTANT,
    code_commune="13900",
    nom_commune="LIBREVILLE",
    liste="P",
    format="csv",
    label="Liste P du 25/11/2026 09:30:00 [csv]",
    status=ExportStatus.READY,
    electeurs=3000,
    lines_written=3000,
    mineurs=2,
    bloquantes=0,
    remarques=12,
    file_name="liste-P-13900-20261125-093000.csv",
    size=51_233,
    sha256="9f" * 32,
    report_name="liste-P-13900-20261125-093000-anomalies.csv",
    error_code="",
    error_message="",
    started_at=INSTANT,
    finished_at=INSTANT,
)


def export(**changes: object) -> ExportState:
    """A finished file, but for the changes."""
    return replace(_EXPORT, **changes)  # type: ignore[arg-type]  # the caller's own business


def request(*exports: ExportState) -> RequestState:
    """An accepted request with these files."""
    return RequestState(RequestOutcome.ACCEPTED, "", exports)
