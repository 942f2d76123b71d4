"""Who did what with the files: the view `journal`."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, column, func, select, table
from starlette.responses import Response

from producers.state import State, to_instant
from producers.web.forms import Paging, page_number
from producers.web.page_context import PageContext

ACTIONS = {
    "file_downloaded": "Téléchargement",
    "download_begun": "Téléchargement commencé",
    "depot_declared": "Dépôt déclaré",
    "depot_verdict": "Réponse de la plateforme",
    "publication_declared": "Publication notée",
    "file_purged": "Effacement",
    "file_found_wrong": "Fichier trouvé en défaut",
    "file_recalled": "Fichier à refaire",
    "doubt_decided": "Doute tranché",
    "registre_imported": "Export du REU repris",
    "import_undone": "Import annulé",
    "import_redated": "Jour d'un export corrigé",
    "reunion_changed": "Réunion de la commission",
    "scrutin_changed": "Scrutin",
    "motifs_completed": "Motifs complétés",
    "bureau_described": "Bureau complété",
    "protection_changed": "Protection (art. L. 37)",
    "wishes_changed": "Messages souhaités",
    "electeurs_seen": "Électeurs consultés",
    "anomalies_handled": "Anomalies traitées",
    "backup_made": "Sauvegarde",
    "backup_restored": "Sauvegarde remise en place",
}
"""What the audit trail calls its lines, as a clerk reads them; a code that is not here is shown as it is."""

_BEGUN = "download_begun"
"""Shown when it is asked for: of a download that came to its end there is another line."""

PAGE = 25

_NAMES = ("at", "actor", "action", "code_commune", "export_id", "detail", "line_id")
_VIEW = table("journal", *(column(name) for name in _NAMES))
_EXPORTS = table("derniers_exports", column("export_id"), column("label"))

_ENTRIES = select(_VIEW.c.at, _VIEW.c.actor, _VIEW.c.action, _VIEW.c.export_id, _VIEW.c.detail)
_NEWEST = _VIEW.c.at.desc(), _VIEW.c.line_id.desc()  # lines of one transaction share their instant
_MOST_OF_A_FILE = 200


def show(context: PageContext) -> Response:
    """The page."""
    action = context.query.get("action", "")
    action = action if action in ACTIONS else ""
    page = page_number(context.query.get("page", ""))
    entries, total = read_journal(context.services.state, context.commune.code, action=action, page=page)
    return context.render(
        "journal/journal.html",
        entries=entries,
        total=total,
        action=action,
        actions=ACTIONS,
        paging=Paging.of(context.url("journal"), {"action": action}, page=page, total=total, size=PAGE),
    )


@dataclass(frozen=True)
class JournalEntry:
    """One line of the audit trail; `action` is a code, `label` that of the file, when it is about one."""

    at: datetime | None
    actor: str
    action: str
    export_id: int | None
    label: str | None
    detail: str


def read_journal(state: State, commune: str, *, action: str = "", page: int = 1) -> tuple[list[JournalEntry], int]:
    """The lines of a page, the newest first, and how many there are in all.

    Raises:
        StateAwayError: the database did not answer.
    """
    is_asked = _VIEW.c.action == action if action else _VIEW.c.action != _BEGUN
    conditions = [_VIEW.c.code_commune == commune, is_asked]
    query = _ENTRIES.where(*conditions).order_by(*_NEWEST).limit(PAGE).offset((page - 1) * PAGE)
    with state.reading() as connection:
        total: int = connection.execute(select(func.count()).select_from(_VIEW).where(*conditions)).scalar_one()
        return _to_entries(connection, query), total


def read_history(state: State, commune: str, export_id: int) -> list[JournalEntry]:
    """The last lines about one file, the newest first.

    Raises:
        StateAwayError: the database did not answer.
    """
    query = _ENTRIES.where(_VIEW.c.code_commune == commune, _VIEW.c.export_id == export_id, _VIEW.c.action != _BEGUN)
    with state.reading() as connection:
        return _to_entries(connection, query.order_by(*_NEWEST).limit(_MOST_OF_A_FILE))


def _to_entries(connection: Connection, query: Select[Any]) -> list[JournalEntry]:
    rows = connection.execute(query).all()
    labels = _read_labels(connection, {row.export_id for row in rows})
    return [
        JournalEntry(to_instant(row.at), row.actor, row.action, row.export_id, labels.get(row.export_id), row.detail)
        for row in rows
    ]


def _read_labels(connection: Connection, numbers: Collection[int]) -> dict[int, str]:
    """Asked for apart: joined, SQLite would read every file of every commune."""
    query = select(_EXPORTS.c.export_id, _EXPORTS.c.label).where(_EXPORTS.c.export_id.in_(numbers))
    return {row.export_id: row.label for row in connection.execute(query)} if numbers else {}
