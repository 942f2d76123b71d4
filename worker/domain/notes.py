"""What a tableau says below its lines."""

from collections.abc import Iterator
from datetime import timedelta

from common.calendrier import Regime, last_day_to_consult
from common.french import short_date
from schemas.tableaux import Edition, Presentation, Repere, TypeTableau
from worker.domain.demande import Demande
from worker.domain.lignes import ADRESSE_MASQUEE


def make_notes(demande: Demande, *, has_provisoire: bool, has_protegee: bool) -> Iterator[str]:
    """Notes, in their order. `has_…`: whether a line has a provisional number, or a masked address."""
    if demande.publication:
        end = ""
        if demande.type is TypeTableau.VINGT_JOURS:
            end = f", consultable jusqu’au {short_date(last_day_to_consult(demande.publication))}"
        yield f"Publié le {short_date(demande.publication)}{end}."
    elif demande.type is TypeTableau.VINGT_JOURS:
        yield "Consultable pendant sept jours à compter de sa publication."
    if demande.law.regime is Regime.REPERTOIRE_UNIQUE:
        start = demande.required(Repere.REUNION) + timedelta(days=1)
        yield f"Inscriptions et radiations du {short_date(start)} au {short_date(demande.last_day)}."
    if demande.inclure_j5 and demande.type is TypeTableau.PREMIER_RECTIFICATIF:
        yield "Y compris les mouvements appliqués pour un scrutin de l’année, déjà portés au tableau des cinq jours."
    if demande.presentation is not Presentation.RECAPITULATIF:
        if has_provisoire:
            yield "N° 0 : numéro provisoire ; le numéro d’ordre est attribué quand le mouvement est appliqué."
        if has_protegee:
            yield f"{ADRESSE_MASQUEE} : Code électoral, art. L. 37."
        if demande.edition is Edition.COMMISSION:
            yield "Exemplaire de la commission : les motifs y sont complets, il n’est pas à afficher."
