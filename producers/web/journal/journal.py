"""Who did what with the commune's files: downloads, deposits and their verdicts, purges; the view `journal`."""

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
    "depot_declared": "Dépôt déclaré",
    "depot_verdict": "Réponse de la plateforme",
    "file_purged": "Effacement",
    "file_found_wrong": "Fichier trouvé en défaut",
    "file_recalled": "Fichier à refaire",
}
"""What the audit trail calls its lines, as a clerk reads them; a code that is not here is shown as it is."""

PAGE = 50

_VIEW = table("journal", *(column(name) for name in ("at", "actor", "action", "code_commune", "export_id", "detail")))
_EXPORTS = table("derniers_exports", column("export_id"), column("label"))

_ENTRIES = select(_VIEW.c.at, _VIEW.c.actor, _VIEW.c.action, _VIEW.c.export_id, _VIEW.c.detail)
_NEWEST = _VIEW.c.at.desc(), _VIEW.c.export_id.desc()
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
    conditions = [_VIEW.c.code_commune == commune, *([_VIEW.c.action == action] if action else [])]
    query = _ENTRIES.where(*conditions).order_by(*_NEWEST).limit(PAGE).offset((page - 1) * PAGE)
    with state.reading() as connection:
        total: int = connection.execute(select(func.count()).select_from(_VIEW).where(*conditions)).scalar_one()
        return _to_entries(connection, query), total


def read_history(state: State, commune: str, export_id: int) -> list[JournalEntry]:
    """The last lines about one file, the newest first.

    Raises:
        StateAwayError: the database did not answer.
    """
    query = _ENTRIES.where(_VIEW.c.code_commune == commune, _VIEW.c.export_id == export_id)
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
