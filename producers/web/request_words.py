"""How a request is called on a page, and what is said while it waits."""

from jinja2 import Environment

from common.french import count_of
from producers.web.board import Card
from producers.web.forms import once_for
from producers.web.reading.demandes import Demande
from schemas.tableaux import TypeTableau
from schemas.topology import (
    REQUEST_CANCEL,
    REQUEST_DEPOT_DECLARE,
    REQUEST_DEPOT_VERDICT,
    REQUEST_LISTE_EXPORT,
    REQUEST_RETRY,
    REQUEST_TABLEAUX_RENDER,
)

_WITHOUT_FILES = {
    REQUEST_LISTE_EXPORT: "Fichiers de la liste électorale",
    REQUEST_TABLEAUX_RENDER: "Tableaux",
    REQUEST_RETRY: "Nouvel essai",
    REQUEST_CANCEL: "Annulation",
    REQUEST_DEPOT_DECLARE: "Dépôt déclaré",
    REQUEST_DEPOT_VERDICT: "Réponse de la plateforme",
}


def request_words(demande: Demande) -> str:
    """What was asked for: `Liste électorale, 3 fichiers`, `Tableau des vingt jours, 1 fichier`."""
    if not demande.files:
        return _WITHOUT_FILES.get(demande.event_type, "Demande")
    first, number = demande.files[0], count_of(len(demande.files), "fichier", "fichiers")
    types = {file.type_tableau for file in demande.files}
    if not first.is_tableau:
        what = "Liste électorale"
    else:
        what = TypeTableau(first.type_tableau).label if len(types) == 1 else "Tableaux"
    return f"{what}, {number}"


def wait_words(card: Card) -> str:
    """Why nothing moves yet."""
    if any(file.is_bulk for file in card.demande.files):
        return "Elle fait partie d'un lot, et passe après ce que les communes demandent une à une."
    if card.ahead:
        before = count_of(card.ahead, "fichier d'une autre demande passe", "fichiers d'autres demandes passent")
        return f"{before} avant elle."
    return "Elle est la prochaine : un service la prendra dès qu'il sera libre."


def add_request_words(environment: Environment) -> None:
    """Let templates use them."""
    environment.filters.update(request_words=request_words, wait_words=wait_words)
    environment.globals["once_for"] = once_for
