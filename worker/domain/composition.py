"""From a request and the mouvements of a list to the Tableau that is drawn: its sections, its lines, its notes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Protocol

from common.calendrier import last_day_to_consult
from common.french import at_commune, count_in_words, format_moment, long_date, of_commune, short_date
from common.law import LAW_OF_PROTECTION, Citation, Regime, cite
from schemas.tableaux import Edition, Presentation, Repere, TypeTableau
from schemas.vocabulary import Liste
from worker.domain.bilan import BureauElecteurs, Figures, Side, Sides, Survey, count_figures
from worker.domain.couverture import Chain, exports_used
from worker.domain.demande import Demande
from worker.domain.lignes import ADRESSE_MASQUEE, LigneRules, Lignes
from worker.domain.mouvement import Mouvement
from worker.domain.tableau import (
    MEMBRES_COMMISSION,
    Ligne,
    Modele,
    Partie,
    PartieModele,
    Section,
    Signataire,
    Signatures,
    Tableau,
)

MENTION_COMMISSION = "Exemplaire de la commission — ne pas afficher"


class TableauSource(Protocol):
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
    bureaux: Sequence[BureauElecteurs]
    departement: str = ""
    """As it is printed."""


def compose_tableau(
    demande: Demande, liste: ListeDeCommune, source: TableauSource, chain: Chain | None = None
) -> Tableau:
    """The tableau asked for, after one pass over the mouvements; its lines are fetched while they are read.

    `chain`: what the register was told of the list; a tableau that all of it covers says from which exports.
    """
    survey = Survey(demande)
    for mouvement in source.stream():
        survey.add(mouvement)
    figures = count_figures(liste.bureaux, survey.corrections, survey.drain())
    has_nationalite = liste.liste is not Liste.PRINCIPALE
    has_dates = demande.modele.has_dates
    lignes_of = partial(Lignes, fetch=source.fetch, rules=LigneRules(demande.edition, has_nationalite, has_dates))
    return Tableau(
        type=demande.type.value,
        presentation=demande.presentation.value,
        titre=demande.modele.titre,
        reference_legale=demande.law.reference_legale,
        nom_commune=liste.nom_commune,
        code_commune=liste.code_commune,
        departement=liste.departement,
        liste=f"{liste.liste.label} — {liste.liste.value}",
        objet=_objet(demande),
        edite_le=f"Édité le {format_moment(demande.requested_at)}",
        is_provisoire=demande.is_provisoire,
        sections=_SectionBuilder(demande.modele, liste.nom_commune, lignes_of).build(demande.presentation, figures),
        signatures=_signatures(demande, liste.nom_commune),
        notes=tuple(
            _make_notes(
                demande,
                has_provisoire=survey.has_provisoire,
                has_protegee=survey.has_protegee,
                has_majorite=survey.has_majorite,
                exports=exports_used(demande, chain) if chain else [],
            )
        ),
        has_nationalite=has_nationalite,
        has_dates=has_dates,
        mention=MENTION_COMMISSION if demande.edition is Edition.COMMISSION else "",
        mouvements=figures.mouvements,
        bureaux_impossibles=figures.impossibles,
    )


def _objet(demande: Demande) -> str:
    if Repere.DATE_TABLEAU in demande.reperes:
        return f"Date de tableau : {long_date(demande.required(Repere.DATE_TABLEAU))}"
    if demande.scrutin:
        return f"Scrutin du {long_date(demande.scrutin)}"
    if demande.commission:
        return f"Commission de contrôle du {long_date(demande.commission)}"
    if demande.until:
        return f"Mouvements jusqu’au {long_date(demande.until)}"
    return f"Publication du {long_date(demande.effective_on)}"


def _signatures(demande: Demande, nom_commune: str) -> Signatures | None:
    signataire = _signataire(demande)
    if signataire is None:
        return None
    places = MEMBRES_COMMISSION if signataire is Signataire.COMMISSION_ADMINISTRATIVE else 1
    jour = "…" if demande.publication is None or signataire is not Signataire.MAIRE else short_date(demande.publication)
    lieu = f"{demande.modele.formule} {at_commune(nom_commune)}, le {jour}"
    return Signatures(signataire.value, places, has_seal=True, lieu=lieu)


def _signataire(demande: Demande) -> Signataire | None:
    return demande.modele.signataire or (Signataire.MAIRE if demande.is_signed_by_maire else None)


SANS_BUREAU = "–"
"""Code of the section of electors who have no bureau: an empty code is the commune's."""


@dataclass(frozen=True)
class _SectionBuilder:
    """Builds the sections of one tableau; `lignes_of`: the lines of mouvements, which are known by their ids."""

    modele: Modele
    nom_commune: str
    lignes_of: Callable[[Sequence[int]], Iterable[Ligne]]

    def build(self, presentation: Presentation, figures: Figures) -> tuple[Section, ...]:
        """The sections of a presentation; the commune comes last."""
        has_bureaux = presentation is not Presentation.COMMUNE
        has_parties = presentation is not Presentation.RECAPITULATIF
        parties = self._parties(figures.sides, has_lignes=not has_bureaux) if has_parties else ()
        commune = Section("", f"Commune {of_commune(self.nom_commune)}", parties, figures.bilan)
        if not has_bureaux:
            return (commune,)
        bureaux = [
            Section(
                one.bureau.code or SANS_BUREAU,
                _titre(one.bureau),
                self._parties(one.sides, has_lignes=True) if has_parties else (),
                one.bilan,
            )
            for one in figures.bureaux
        ]
        return *bureaux, commune

    def _parties(self, sides: Sides, *, has_lignes: bool) -> tuple[Partie, ...]:
        parts = [(self.modele.additions, sides.additions)]
        if self.modele.retranchements:
            parts.append((self.modele.retranchements, sides.retranchements))
        return tuple(self._partie(modele, side, has_lignes=has_lignes) for modele, side in parts)

    def _partie(self, modele: PartieModele, side: Side, *, has_lignes: bool) -> Partie:
        total = f"{modele.total} : {count_in_words(len(side.ids), 'électeur')}"
        if side.changements:
            total += f", dont {count_in_words(side.changements, 'changement')} de bureau"
        return Partie(modele.titre, self.lignes_of(side.ids) if has_lignes else (), total)


def _titre(bureau: BureauElecteurs) -> str:
    if not bureau.code:
        return "Électeurs sans bureau de vote"
    return f"Bureau {bureau.code} — {bureau.libelle}" if bureau.libelle else f"Bureau {bureau.code}"


def _publication(demande: Demande) -> Iterator[str]:
    """The day of publication, unless the top or the mayor's signature says it; until when it can be consulted."""
    if demande.publication:
        is_said = _signataire(demande) is Signataire.MAIRE or _objet(demande).startswith("Publication")
        said = [] if is_said else [f"publié le {short_date(demande.publication)}"]
        if demande.type is TypeTableau.VINGT_JOURS:
            said.append(f"consultable jusqu’au {short_date(last_day_to_consult(demande.publication))}")
        if said:
            yield f"{', '.join(said).capitalize()}."
    elif demande.type is TypeTableau.VINGT_JOURS:
        yield "Consultable pendant sept jours à compter de sa publication."


def _make_notes(
    demande: Demande, *, has_provisoire: bool, has_protegee: bool, has_majorite: bool, exports: Sequence[date]
) -> Iterator[str]:
    """Notes, in their order. `has_…`: whether a line has a provisional number, a masked address, or is a birthday's."""
    yield from _publication(demande)
    if demande.law.regime is Regime.REPERTOIRE_UNIQUE:
        start = demande.required(Repere.REUNION) + timedelta(days=1)
        yield f"Inscriptions et radiations du {short_date(start)} au {short_date(demande.last_day)}."
    if has_majorite:
        yield (
            f"Inscriptions d’office des électeurs qui ont dix-huit ans le {short_date(demande.age_apres)} au plus tard "
            f"({cite(Regime.REPERTOIRE_UNIQUE, Citation('L. 11', ', II, 1°'))})."
        )
    yield from _name_exports(exports)
    if exports and demande.modele.has_dates and demande.presentation is not Presentation.RECAPITULATIF:
        yield "Un mouvement que montre la comparaison de deux exports porte la date du second."
    if demande.inclure_j5 and demande.type is TypeTableau.PREMIER_RECTIFICATIF:
        yield "Y compris les mouvements appliqués pour un scrutin de l’année, déjà portés au tableau des cinq jours."
    if demande.presentation is not Presentation.RECAPITULATIF:
        if has_provisoire:
            yield "N° 0 : numéro provisoire ; le numéro d’ordre est attribué quand le mouvement est appliqué."
        if has_protegee:
            yield f"{ADRESSE_MASQUEE} : {LAW_OF_PROTECTION}."
        if demande.edition is Edition.COMMISSION:
            yield "Les motifs sont complets."


def _name_exports(days: Sequence[date]) -> Iterator[str]:
    if days:
        *others, last = [f"du {short_date(day)}" for day in days]
        said = f"{', '.join(others)} et {last}" if others else last
        yield f"D’après {'les exports' if others else 'l’export'} du répertoire électoral unique {said}."
