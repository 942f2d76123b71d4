"""Completed requests of LIBREVILLE in memory, and the mail about them."""

from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from common.calendrier import PARIS
from schemas.events import name_request
from schemas.tableaux import Edition
from schemas.topology import REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import (
    ExportKind,
    ExportStatus,
    FileFormat,
    Piece,
    PreviewAct,
    PreviewStatus,
    RequestOutcome,
)
from worker.arrivals import Preview
from worker.exports.models import Export, ExportPiece, Recall, Request, file_name_of, label_of
from worker.notifier.channels.mail import compose
from worker.notifier.messages.request import RequestReport, describe_request
from worker.notifier.models import Deadline

ASKED_AT = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
FULL_DISK: dict[str, Any] = {
    "error_code": "disque_plein",
    "error_message": "Espace disque insuffisant.",
}

RECALL = Recall(
    id=7,
    code_commune="13900",
    because="l'import 12 (reu.csv) a été annulé",
    reason="mauvais fichier",
    recalled_by="exploitant",
    created_at=ASKED_AT,
)

_READY: dict[str, object] = {
    "id": 12,
    "code_commune": "13900",
    "type_tableau": "",
    "bloquantes": 0,
    "remarques": 12,
    "anomalies": [],
    "size": 51_233,
    "sha256": "9f" * 32,
    "error_code": "",
    "error_message": "",
}


def report_beside(name: str, size: int = 0, sha256: str = "") -> dict[str, ExportPiece]:
    """The pieces of a file with a report of anomalies."""
    return {
        Piece.RAPPORT: ExportPiece(kind=Piece.RAPPORT, file_name=name, size=size, sha256=sha256)
    }


def export(part: str = "P.csv", status: str = "ready", **fields: object) -> Export:
    """A list file."""
    liste, format_ = part.split(".")
    values: dict[str, object] = {
        "part": part,
        "kind": ExportKind.LISTE,
        "liste": liste,
        "format": format_,
        "status": ExportStatus(status),
        "label": f"Liste {liste} du 25/11/2026 09:30:00 [{format_}]",
        "file_name": f"liste-{liste}-13900-20261125-093000.{format_}",
        "electeurs": 1327,
        "mineurs": 2,
    }
    return Export(**_READY | values | fields)


def tableau(
    part: str = "vingt_jours.P.commune",
    status: str = "ready",
    edition: Edition = Edition.AFFICHAGE,
    **fields: object,
) -> Export:
    """A tableau, named as real ones are."""
    type_, liste, presentation = part.split(".")
    moment = ASKED_AT.astimezone(PARIS)
    values: dict[str, object] = {
        "part": part,
        "kind": ExportKind.TABLEAU,
        "liste": liste,
        "format": FileFormat.PDF,
        "type_tableau": type_,
        "presentation": presentation,
        "edition": edition,
        "parameters": {"scrutin": "2027-04-11"},
        "status": ExportStatus(status),
        "electeurs": 1042,
        "pages": 31,
    }
    made = Export(**_READY | values | fields)
    made.label, made.file_name = label_of(made, moment), file_name_of(made, "", moment)
    return made


def report(*exports: Export, lieu: str = "LIBREVILLE (13900)", **fields: object) -> RequestReport:
    """A request whose files are all finished."""
    values: dict[str, object] = {
        "id": 42,
        "source": "/mairie/13900",
        "event_id": "7d0c9a52",
        "event_type": REQUEST_LISTE_EXPORT,
        "correlation_id": "clic-42",
        "code_commune": "13900",
        "requested_by": "mairie-libreville",
        "created_at": ASKED_AT,
        "outcome": RequestOutcome.ACCEPTED,
        "reason": "",
        "exports": list(exports),
    }
    values |= fields
    named = values.get("sender", ""), values["source"], values["event_id"], ""
    return RequestReport(Request(**{"uuid": name_request(*map(str, named))} | values), lieu)


def tableaux_report(*exports: Export) -> RequestReport:
    return report(*exports, event_type=REQUEST_TABLEAUX_RENDER)


def refused(
    reason: str = "Aucun registre importé pour 13900.",
    event_type: str = REQUEST_LISTE_EXPORT,
    code_commune: str = "13900",
) -> RequestReport:
    return report(
        outcome=RequestOutcome.REFUSED,
        reason=reason,
        event_type=event_type,
        code_commune=code_commune,
    )


FOUND: dict[str, Any] = {
    "comparison": {"inscriptions": 12, "radiations": 0, "changements": 3, "doubts": 1},
    "listes": [
        {"liste": "P", "electeurs": 1327, "before": 1315},
        {"liste": "CM", "electeurs": 2, "before": None},
    ],
}


def preview(**fields: object) -> Preview:
    """An export of the REU that was imported."""
    values: dict[str, object] = {
        "code_commune": "13900",
        "act": PreviewAct.IMPORT,
        "status": PreviewStatus.IMPORTED,
        "taken_on": date(2026, 11, 24),
        "file_name": "reu.csv",
        "reason": "",
    }
    return Preview(**values | fields)


def deadline(
    echeance: str, due_on: date, until: date, scrutin: date | None = None, libelle: str = ""
) -> Deadline:
    """A deadline of a reminder."""
    return Deadline(echeance=echeance, due_on=due_on, until=until, scrutin=scrutin, libelle=libelle)


def mail_about(about: RequestReport, recipient: str = "mairie@libreville.example") -> EmailMessage:
    """The mail as its reader receives it."""
    message = compose(
        describe_request(about, ""),
        recipient,
        mail_from="prefecture@example.org",
        message_id="<a.b@example.org>",
    )
    return message_from_bytes(message.as_bytes(), policy=policy.default)
