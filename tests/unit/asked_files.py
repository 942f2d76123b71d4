"""Invented files as the screen reads them; one event and its files, as a producer receives them."""

from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any

from producers.cli.requests import build_liste_export
from producers.records import ExportState, PieceFile, RequestState
from producers.web.exports.query import AskedFile
from schemas.tableaux import Edition, TypeTableau
from schemas.vocabulary import ExportKind, ExportStatus, Piece, RequestOutcome

NOON = datetime(2026, 11, 25, 11, tzinfo=UTC)
DAY = date(2026, 11, 25)
_LATER = ("provisoire_until", "recalled_at", "rests_on", "outdated_at")
_OF_PUBLICATION = ("published_on", "published_until", "withdrawn_on", "certified_on")


def ready_list(number: int, **facts: Any) -> AskedFile:  # noqa: ANN401 — of AskedFile
    """A finished list, each of its own request."""
    values: dict[str, Any] = {field.name: "" for field in fields(AskedFile)}
    absent = ("pages", "purged_at", "differences", "reconciliation", "profile")
    values |= dict.fromkeys(
        (*absent, "deposited_on", "verdict_on", "downloaded_at", *_LATER, *_OF_PUBLICATION)
    )
    values |= {
        "export_id": number,
        "request_id": number,
        "requested_by": "mairie-libreville",
        "requested_at": NOON,
        "started_at": NOON,
        "finished_at": NOON,
        "code_commune": "13900",
        "nom_commune": "LIBREVILLE",
        "kind": ExportKind.LISTE,
        "status": ExportStatus.READY,
        "liste": "P",
        "format": "csv",
        "label": f"Liste P n° {number} [csv]",
        "file_name": f"liste-P-13900-20261125-12{number:04}.csv",
        "electeurs": 2,
        "lines_written": 2,
        "mineurs": 0,
        "secteur": 0,
        "bloquantes": 0,
        "a_completer": 0,
        "remarques": 0,
        "anomalies": [],
        "pieces": {},
        "parameters": {},
        "size": 51_233,
        "sha256": "0" * 64,
        "is_bulk": False,
    }
    return AskedFile(**values | facts)


def ready_tableau(number: int, **facts: Any) -> AskedFile:  # noqa: ANN401 — of AskedFile
    """A finished tableau des vingt jours, to be posted."""
    values = {
        "kind": ExportKind.TABLEAU,
        "format": "pdf",
        "type_tableau": TypeTableau.VINGT_JOURS.value,
        "presentation": "commune",
        "edition": Edition.AFFICHAGE.value,
        "file_name": f"tableau-vingt_jours-P-13900-commune-20261125-12{number:04}.pdf",
        "label": f"Tableau n° {number}",
    }
    return ready_list(number, **values | facts)


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
