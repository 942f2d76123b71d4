"""Who did what with the commune's files: downloads, deposits and their verdicts, purges."""

from starlette.responses import Response

from producers.web.paging import Paging, page_number
from producers.web.reading import journal
from producers.web.visit import Visit

ACTIONS = {
    "file_downloaded": "Téléchargement",
    "depot_declared": "Dépôt déclaré",
    "depot_verdict": "Réponse de la plateforme",
    "file_purged": "Effacement",
    "file_found_wrong": "Fichier trouvé en défaut",
}
"""What the audit trail calls its lines, as a clerk reads them; a code that is not here is shown as it is."""


def show(visit: Visit) -> Response:
    """The page."""
    action = visit.query.get("action", "")
    action = action if action in ACTIONS else ""
    page = page_number(visit.query.get("page", ""))
    deeds, total = journal.read_journal(visit.screen.state, visit.commune.code, action=action, page=page)
    return visit.render(
        "journal.html",
        deeds=deeds,
        total=total,
        action=action,
        actions=ACTIONS,
        paging=Paging.of(visit.url("journal"), {"action": action}, page=page, total=total, size=journal.PAGE),
    )
