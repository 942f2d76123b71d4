"""One event and its files, as a producer receives them."""

from dataclasses import replace
from datetime import UTC, datetime

from producers.cli.requests import build_liste_export
from producers.records import ExportState, PieceFile, RequestState
from schemas.vocabulary import ExportKind, ExportStatus, Piece, RequestOutcome

INSTANT = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
EVENT = build_liste_export(commune="13900", requested_by="mairie", source="/tests")

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
    pieces={Piece.RAPPORT: PieceFile("liste-P-13900-20261125-093000-anomalies.csv", 12, "")},
    error_code="",
    error_message="",
    started_at=INSTANT,
    finished_at=INSTANT,
    kind=ExportKind.LISTE,
    type_tableau="",
    presentation="",
    edition="",
    pages=None,
)

_TABLEAU = replace(
    _EXPORT,
    format="pdf",
    label="Tableau des vingt jours (par bureau), liste P, du 25/11/2026 09:30:00",
    electeurs=3400,
    lines_written=3400,
    mineurs=0,
    file_name="tableau-vingt_jours-P-13900-par_bureau-20261125-093000.pdf",
    pieces={
        Piece.RAPPORT: PieceFile("tableau-vingt_jours-P-13900-par_bureau-20261125-093000-pdf-anomalies.csv", 9, ""),
    },
    kind=ExportKind.TABLEAU,
    type_tableau="vingt_jours",
    presentation="par_bureau",
    edition="affichage",
    pages=212,
)


def export(**changes: object) -> ExportState:
    """A finished file with changes."""
    return replace(_EXPORT, **changes)  # type: ignore[arg-type]  # the caller's own business


def tableau(**changes: object) -> ExportState:
    """A finished tableau with changes."""
    return replace(_TABLEAU, **changes)  # type: ignore[arg-type]  # the caller's own business


def request(*exports: ExportState) -> RequestState:
    """An accepted request with these files."""
    return RequestState(RequestOutcome.ACCEPTED, "", exports)


def plain(text: str) -> str:
    """Replace special spaces by ordinary ones."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")
