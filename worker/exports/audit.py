"""The audit trail: who did what, when. Lines are added, never changed; none holds an elector's data."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from worker.exports.models import Audit

NOTIFIER = "notifier"
"""The actor of what the notifier does by its own clock."""


class Action(StrEnum):
    """What is put on record; each part of the program has its own, with a label below."""

    FILE_DOWNLOADED = "file_downloaded"
    DEPOT_DECLARED = "depot_declared"
    DEPOT_VERDICT = "depot_verdict"
    FILE_PURGED = "file_purged"
    FILE_FOUND_WRONG = "file_found_wrong"
    FILE_RECALLED = "file_recalled"
    IMPORT_UNDONE = "import_undone"
    IMPORT_REDATED = "import_redated"
    SENDER_ALLOWED = "sender_allowed"
    SENDER_REMOVED = "sender_removed"
    RECIPIENT_ADDED = "recipient_added"
    RECIPIENT_REMOVED = "recipient_removed"
    RECIPIENT_DISABLED = "recipient_disabled"
    DEAD_LETTER_REQUEUED = "dead_letter_requeued"
    DEAD_LETTER_DROPPED = "dead_letter_dropped"
    DOUBT_DECIDED = "doubt_decided"

    @property
    def label(self) -> str:
        """What an operator reads."""
        return _LABELS[self]


_LABELS = {
    Action.FILE_DOWNLOADED: "fichier téléchargé",
    Action.DEPOT_DECLARED: "dépôt déclaré",
    Action.DEPOT_VERDICT: "réponse de la plateforme notée",
    Action.FILE_PURGED: "fichier purgé",
    Action.FILE_FOUND_WRONG: "fichier trouvé en défaut",
    Action.FILE_RECALLED: "fichier à refaire",
    Action.IMPORT_UNDONE: "import annulé",
    Action.IMPORT_REDATED: "jour d'un export corrigé",
    Action.SENDER_ALLOWED: "compte autorisé à demander",
    Action.SENDER_REMOVED: "compte retiré",
    Action.RECIPIENT_ADDED: "destinataire ajouté",
    Action.RECIPIENT_REMOVED: "destinataire retiré",
    Action.RECIPIENT_DISABLED: "destinataire arrêté, sur sa demande",
    Action.DEAD_LETTER_REQUEUED: "lettre morte remise en file",
    Action.DEAD_LETTER_DROPPED: "lettre morte supprimée",
    Action.DOUBT_DECIDED: "doute tranché",
}


def record_audit(
    connection: Connection,
    action: Action,
    *,
    actor: str,
    code_commune: str = "",
    export_id: int | None = None,
    detail: str = "",
) -> None:
    """Add a line to the audit trail, inside the caller's transaction: both happen, or neither.

    `actor` is the system's user of a command, `NOTIFIER`, or the agent that a declaration names; `detail` is French,
    and may name files and accounts, never an elector.
    """
    values = {"actor": actor, "action": action.value, "code_commune": code_commune, "detail": detail}
    connection.execute(insert(Audit).inline().values(**values, export_id=export_id))


class AuditLine(NamedTuple):
    """One line of the trail; `action` is a code, which a newer or older release may have written."""

    at: datetime
    actor: str
    action: str
    code_commune: str
    export_id: int | None
    detail: str

    @property
    def label(self) -> str:
        """What was done, as an operator reads it."""
        try:
            return Action(self.action).label
        except ValueError:
            return self.action


def read_audit(
    connection: Connection, *, code_commune: str | None = None, since: datetime | None = None, limit: int
) -> list[AuditLine]:
    """The last lines, the newest first."""
    columns = Audit.at, Audit.actor, Audit.action, Audit.code_commune, Audit.export_id, Audit.detail
    query = select(*columns).order_by(Audit.at.desc(), Audit.id.desc()).limit(limit)
    if code_commune is not None:
        query = query.where(Audit.code_commune == code_commune)
    if since is not None:
        query = query.where(Audit.at >= since)
    return [AuditLine(*row) for row in connection.execute(query)]
