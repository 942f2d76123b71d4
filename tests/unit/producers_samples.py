"""One event and its files, as a producer receives them."""

from datetime import UTC, datetime
from typing import Any

from producers.cli.requests import build_liste_export
from producers.records import ExportState, PieceFile, RequestState
from schemas.vocabulary import Piece, RequestOutcome
from tests.unit.asked_files import ready_list, ready_tableau

INSTANT = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
EVENT = build_liste_export(commune="13900", requested_by="mairie", source="/tests")

_EXPORT: dict[str, Any] = {
    "requested_at": INSTANT,
    "label": "Liste P du 25/11/2026 09:30:00 [csv]",
    "electeurs": 3000,
    "lines_written": 3000,
    "remarques": 12,
    "file_name": "liste-P-13900-20261125-093000.csv",
    "sha256": "9f" * 32,
    "pieces": {Piece.RAPPORT: PieceFile("liste-P-13900-20261125-093000-anomalies.csv", 12, "")},
}
_TABLEAU = {"electeurs": 3400, "lines_written": 3400, "presentation": "par_bureau", "pages": 212}


def export(**changes: object) -> ExportState:
    """A finished file with changes."""
    return ready_list(1, **_EXPORT | changes)


def tableau(**changes: object) -> ExportState:
    """A finished tableau with changes."""
    return ready_tableau(1, **_TABLEAU | changes)


def request(*exports: ExportState) -> RequestState:
    """An accepted request with these files."""
    return RequestState(RequestOutcome.ACCEPTED, "", exports)


def plain(text: str) -> str:
    """Replace special spaces by ordinary ones."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")
