"""From a request and the mouvements of a list to the Tableau that is drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import Liste
from worker.domain.bilan import Bureau
from worker.domain.calendrier import last_day_to_consult
from worker.domain.demande import Demande
from worker.domain.francais import at_commune, long_date, short_date
from worker.domain.heure import PARIS
from worker.domain.lignes import ADRESSE_MASQUEE, NUMERO_PROVISOIRE, LigneRules
from worker.domain.mouvement import Mouvement
from worker.domain.sections import SectionBuilder
from worker.domain.selection import select_mouvements
from worker.domain.tableau import Section, Signatures, Tableau
from worker.domain.types_tableau import MEMBRES_COMMISSION, Regime, Repere, Signataire


@dataclass(frozen=True)
class ListeDeCommune:
    """Whose list it is, and its bureaux with their electors before the mouvements."""

    code_commune: str
    nom_commune: str
    liste: Liste
    bureaux: Sequence[Bureau]


def compose_tableau(demande: Demande, liste: ListeDeCommune, mouvements: Iterable[Mouvement]) -> Tableau:
    """The tableau asked for. `mouvements`: all those of the list; what belongs to the tableau is chosen here."""
    has_nationalite = liste.liste is not Liste.PRINCIPALE
    builder = SectionBuilder(demande.modele, LigneRules(demande.edition, has_nationalite), liste.nom_commune)
    sections = builder.build(demande.presentation, liste.bureaux, select_mouvements(mouvements, demande))
    return Tableau(
        type=demande.type.value,
        presentation=demande.presentation.value,
        titre=demande.modele.titre,
        reference_legale=demande.modele.reference_legale,
        nom_commune=liste.nom_commune,
        code_commune=liste.code_commune,
        liste=f"{liste.liste.label} — {liste.liste.value}",
        objet=_objet(demande),
        edite_le=f"Édité le {demande.requested_at.astimezone(PARIS):%d/%m/%Y à %H:%M}",
        is_provisoire=demande.is_provisoire,
        sections=sections,
        signatures=_signatures(demande, liste.nom_commune),
        notes=tuple(_notes(demande, sections)),
        has_nationalite=has_nationalite,
    )


def _objet(demande: Demande) -> str:
    if Repere.DATE_TABLEAU in demande.modele.reperes:
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


def _notes(demande: Demande, sections: Sequence[Section]) -> Iterable[str]:
    if demande.publication:
        end = ""
        if demande.type is TypeTableau.VINGT_JOURS:
            end = f", consultable jusqu’au {short_date(last_day_to_consult(demande.publication))}"
        yield f"Publié le {short_date(demande.publication)}{end}."
    elif demande.type is TypeTableau.VINGT_JOURS:
        yield "Consultable pendant sept jours à compter de sa publication."
    if demande.modele.regime is Regime.REPERTOIRE_UNIQUE:
        start = demande.required(Repere.REUNION) + timedelta(days=1)
        yield f"Inscriptions et radiations du {short_date(start)} au {short_date(demande.last_day)}."
    if demande.inclure_j5 and demande.type is TypeTableau.PREMIER_RECTIFICATIF:
        yield "Y compris les mouvements appliqués pour un scrutin de l’année, déjà portés au tableau des cinq jours."
    if demande.presentation is not Presentation.RECAPITULATIF:
        yield from _notes_on_lignes(demande, sections)


def _notes_on_lignes(demande: Demande, sections: Sequence[Section]) -> Iterable[str]:
    lignes = [ligne for section in sections for partie in section.parties for ligne in partie.lignes]
    if any(ligne.numero == NUMERO_PROVISOIRE for ligne in lignes):
        yield "N° 0 : numéro provisoire ; le numéro d’ordre est attribué quand le mouvement est appliqué."
    if any(ligne.adresse == ADRESSE_MASQUEE for ligne in lignes):
        yield f"{ADRESSE_MASQUEE} : Code électoral, art. L. 37."
    if demande.edition is Edition.COMMISSION:
        yield "Exemplaire de la commission : les motifs y sont complets, il n’est pas à afficher."
