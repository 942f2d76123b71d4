"""Rows of the files of a past: every row has the same columns, as a bulk INSERT requires."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from bench.history import FILES, Asked
from schemas.requests import TableauPart
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import ExportKind, ExportStatus, FileFormat, Format, Liste
from worker.exports.naming import ListeNaming, TableauNaming

Row = dict[str, Any]

_EVERY_LISTE = tuple(product(Liste, Format))
_EVERY_TABLEAU = tuple(product((TypeTableau.VINGT_JOURS, TypeTableau.CINQ_JOURS_REU), Presentation))
_LISTES, _EDITIONS = tuple(Liste), tuple(Edition)
_RETENTION = timedelta(days=30)
_ELECTEURS, _BLOCKING, _REMARKS = 9000, 3, 48
_ANOMALIES = (
    {"code": "nom_usage_identique", "severity": "remarque", "column": "nom_usage", "count": 41},
    {"code": "adresse_incomplete", "severity": "remarque", "column": "adresse", "count": 7},
    {"code": "code_postal_absent", "severity": "bloquante", "column": "code_postal", "count": _BLOCKING},
)
_DIFFERENCES = {"export_id": 1, "label": "Liste", "arrivees": 12, "departs": 7, "modifications": 3}


def files_of(asked: Asked) -> list[Row]:
    """Return the files of a request; the first one was downloaded."""
    return [_file(asked, position) for position in range(FILES)]


def deposits_of(asked: Asked, files: Sequence[Row]) -> list[Row]:
    """Return the deposits of its CSV files, if any."""
    deposited = [file for file in files if asked.is_deposited and file["format"] == FileFormat.CSV]
    return [
        {
            "export_id": file["id"],
            "deposited_on": asked.at.date(),
            "deposited_by": asked.past.agent,
            "verdict": asked.verdict or "",
            "verdict_on": (asked.at + timedelta(days=1)).date() if asked.verdict else None,
            "answer": "Le fichier a été lu." if asked.verdict else "",
        }
        for file in deposited
        if file["status"] is ExportStatus.READY
    ]


def _file(asked: Asked, position: int) -> Row:
    status = asked.status(position)
    is_ready, is_failed = status is ExportStatus.READY, status is ExportStatus.FAILED
    is_taken, is_blocked = is_ready and position == 0, is_ready and asked.is_blocked
    ended_at = asked.at + timedelta(seconds=2) if status.is_terminal else None
    return {
        "id": FILES * asked.number + position + 1,
        "request_id": asked.request_id,
        "code_commune": asked.past.commune,
        "created_at": asked.at,
        "status": status,
        **(_tableau(asked, position) if asked.is_about_tableaux else _liste(asked, position)),
        "started_at": None if status is ExportStatus.QUEUED else asked.at,
        "finished_at": ended_at,
        "purged_at": asked.at + _RETENTION if is_ready and asked.is_purged else None,
        "downloaded_at": asked.at + timedelta(minutes=1) if is_taken else None,
        "downloaded_by": asked.past.agent if is_taken else "",
        "electeurs": _ELECTEURS if is_ready else None,
        "lines_written": _ELECTEURS if is_ready else 0,
        "bloquantes": _BLOCKING if is_blocked else 0,
        "remarques": _REMARKS if is_ready else 0,
        "anomalies": _ANOMALIES[: (3 if is_blocked else 2) if is_ready else 0],
        "size": 1_400_000 if is_ready else None,
        "sha256": "0" * 64 if is_ready else None,
        "error_code": "internal" if is_failed else "",
        "error_message": "Erreur interne. Prévenez votre administrateur." if is_failed else "",
    }


def _liste(asked: Asked, position: int) -> Row:
    liste, format_ = _EVERY_LISTE[position]
    naming, moment = ListeNaming(asked.past.commune, liste, format_), _moment(asked)
    return {
        "part": f"{liste}.{format_}",
        "kind": ExportKind.LISTE,
        "liste": liste,
        "format": FileFormat(format_),
        "type_tableau": "",
        "presentation": "",
        "edition": "",
        "parameters": {},
        "file_name": naming.name(moment),
        "label": naming.label(moment),
        "differences": _DIFFERENCES,
    }


def _tableau(asked: Asked, position: int) -> Row:
    type_, presentation = _EVERY_TABLEAU[position]
    liste, edition = _LISTES[asked.turn % len(_LISTES)], _EDITIONS[asked.turn % len(_EDITIONS)]
    naming, moment = TableauNaming(asked.past.commune, TableauPart(type_, liste, presentation), edition), _moment(asked)
    return {
        "part": f"{type_}.{liste}.{presentation}",
        "kind": ExportKind.TABLEAU,
        "liste": liste,
        "format": FileFormat.PDF,
        "type_tableau": type_,
        "presentation": presentation,
        "edition": edition,
        "parameters": {"scrutin": asked.past.scrutin.isoformat(), "scrutins": [], "until": None, "inclure_j5": False},
        "file_name": naming.name(moment),
        "label": naming.label(moment),
        "differences": None,
    }


def _moment(asked: Asked) -> datetime:
    """Return the instant in UTC, which repeats no hour: file names are unique."""
    return asked.at.astimezone(UTC).replace(tzinfo=None)
