"""From a request and the mouvements of a list to the Tableau that is drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from common.french import at_commune, format_moment, long_date
from schemas.tableaux import Edition, Repere
from schemas.vocabulary import Liste
from worker.domain.bilan import Bureau, count_figures
from worker.domain.demande import Demande
from worker.domain.lignes import LigneRules, Lignes
from worker.domain.mouvement import Mouvement
from worker.domain.notes import make_notes
from worker.domain.sections import SectionBuilder
from worker.domain.survey import Survey
from worker.domain.tableau import Signatures, Tableau
from worker.domain.types_tableau import MEMBRES_COMMISSION, Signataire

MENTION_COMMISSION = "Exemplaire de la commission — ne pas afficher"


class Source(Protocol):
    """The mouvements of one list, which stay the same while they are read, more than once."""

    def stream(self) -> Iterator[Mouvement]:
        """Every one, in the order of ids."""

    def fetch(self, ids: Sequence[int]) -> Iterator[Mouvement]:
        """Those asked for, in the order asked."""


@dataclass(frozen=True)
class ListeDeCommune:
    """Whose list it is, and its bureaux with their electors of now."""

    code_commune: str
    nom_commune: str
    liste: Liste
    bureaux: Sequence[Bureau]


def compose_tableau(demande: Demande, liste: ListeDeCommune, source: Source) -> Tableau:
    """The tableau asked for, after one pass over the mouvements; its lines are fetched while they are read."""
    survey = Survey(demande)
    for mouvement in source.stream():
        survey.add(mouvement)
    figures = count_figures(liste.bureaux, survey.corrections, survey.drain())
    has_nationalite = liste.liste is not Liste.PRINCIPALE
    lignes_of = partial(Lignes, fetch=source.fetch, rules=LigneRules(demande.edition, has_nationalite))
    return Tableau(
        type=demande.type.value,
        presentation=demande.presentation.value,
        titre=demande.modele.titre,
        reference_legale=demande.law.reference_legale,
        nom_commune=liste.nom_commune,
        code_commune=liste.code_commune,
        liste=f"{liste.liste.label} — {liste.liste.value}",
        objet=_objet(demande),
        edite_le=f"Édité le {format_moment(demande.requested_at)}",
        is_provisoire=demande.is_provisoire,
        sections=SectionBuilder(demande.modele, liste.nom_commune, lignes_of).build(demande.presentation, figures),
        signatures=_signatures(demande, liste.nom_commune),
        notes=tuple(make_notes(demande, has_provisoire=survey.has_provisoire, has_protegee=survey.has_protegee)),
        has_nationalite=has_nationalite,
        mention=MENTION_COMMISSION if demande.edition is Edition.COMMISSION else "",
        mouvements=figures.mouvements,
        bureaux_impossibles=figures.impossibles,
    )


def _objet(demande: Demande) -> str:
    if Repere.DATE_TABLEAU in demande.reperes:
        return f"Date de tableau : {long_date(demande.required(Repere.DATE_TABLEAU))}"
    if demande.scrutin:
        return f"Scrutin du {long_date(demande.scrutin)}"
    if demande.until:
        return f"Commission de contrôle du {long_date(demande.until)}"
    return f"Publication du {long_date(demande.effective_on)}"


def _signatures(demande: Demande, nom_commune: str) -> Signatures | None:
    signataire = demande.modele.signataire
    if signataire is None and demande.is_signed_by_maire:
        signataire = Signataire.MAIRE
    if signataire is None:
        return None
    places = MEMBRES_COMMISSION if signataire is Signataire.COMMISSION_ADMINISTRATIVE else 1
    lieu = f"{demande.modele.formule} {at_commune(nom_commune)}, le …"
    return Signatures(signataire.value, places, has_seal=True, lieu=lieu)
