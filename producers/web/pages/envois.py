"""What was sent to whom: mails, chats, webhooks; what went, what was refused, what waits."""

from starlette.responses import Response

from producers.web.paging import Paging, page_number
from producers.web.reading import envois
from producers.web.visit import Visit

FILTERS = {
    "canal": {"courriel": "Courriel", "discussion": "Discussion", "webhook": "Autre logiciel (webhook)"},
    "objet": {
        "pret": "Fichiers prêts",
        "echec": "Échec",
        "refus": "Demande refusée",
        "annule": "Demande annulée",
        "echeance": "Rappel d'échéance",
    },
    "etat": {"envoye": "Envoyé", "refuse": "Refusé", "attente": "En attente"},
}
"""What one can look for: the name in the address, the codes of the view and what a clerk reads."""


def show(visit: Visit) -> Response:
    """The page."""
    asked = {name: visit.query.get(name, "") for name in FILTERS}
    chosen = {name: value if value in FILTERS[name] else "" for name, value in asked.items()}
    page = page_number(visit.query.get("page", ""))
    found, total = envois.read_envois(
        visit.screen.state,
        visit.commune.code,
        channel=chosen["canal"],
        kind=chosen["objet"],
        fate=chosen["etat"],
        page=page,
    )
    return visit.render(
        "envois.html",
        envois=found,
        total=total,
        chosen=chosen,
        filters=FILTERS,
        paging=Paging.of(visit.url("envois"), chosen, page=page, total=total, size=envois.PAGE),
    )
