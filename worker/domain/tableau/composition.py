"""Builds the Tableau to draw from a request and the mouvements of a list: figures, sections, lines, notes.

The figures are arrivals, departures, and electors before and after, for each bureau and for the commune: one pass over
the mouvements keeps a few bytes for each elector whom the tableau shows.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import NamedTuple, Protocol

from common.french import (
    at_commune,
    count_in_words,
    count_of,
    format_moment,
    long_date,
    name_secteur,
    of_commune,
    short_date,
)
from common.law import CONSULTATION, LAW_OF_PROTECTION, appeals_of, cite, law_of
from schemas.tableaux import REPERES, Edition, Presentation, Repere, TypeTableau
from schemas.vocabulary import Categorie, Liste, Nature
from worker.domain.identite import Mouvement
from worker.domain.tableau.couverture import Chain, Link, exports_used, last_known_day
from worker.domain.tableau.demande import Demande, correction, is_in, is_in_period
from worker.domain.tableau.model import (
    ADRESSE_MASQUEE,
    MEMBRES_COMMISSION,
    MODELES,
    NUMERO_PROVISOIRE,
    Bilan,
    Ligne,
    LigneRules,
    Lignes,
    Partie,
    Section,
    Signataire,
    Signatures,
    Tableau,
    format_date,
    format_numero,
    order_key,
)


class ShownMouvement(NamedTuple):
    """A mouvement that the tableau shows, and the bureaux whose lists it changes."""

    id: int
    arrives_in: str | None
    leaves: str | None


_SHARED = 4
"""Minimum number of lines with the same unknown day from which a tableau prints it once, at the top."""


class Survey:
    """The result of one pass over all mouvements: about 250 bytes for each one that the tableau shows."""

    def __init__(self, demande: Demande) -> None:
        self.corrections: Counter[str] = Counter()
        """By bureau: number to add to its electors in the list to get those before the tableau."""
        self.others: Counter[str] = Counter()
        """By bureau: balance of the mouvements of the period that the tableau does not show."""
        self.dates: Counter[str] = Counter()
        """Number of lines of the tableau by printed date, for the mouvements whose day is not known."""
        self.has_lines = self.has_provisoire = self.has_protegee = self.has_majorite = False
        self._demande = demande
        self._kept: list[tuple[bytes, ShownMouvement]] = []

    def add(self, mouvement: Mouvement) -> None:
        """Process one mouvement."""
        if sign := correction(mouvement, self._demande):
            move_electeur(mouvement, self.corrections, sign)
        if is_in(mouvement, self._demande):
            self.has_lines = True
            self.has_provisoire |= format_numero(mouvement) == NUMERO_PROVISOIRE
            self.has_protegee |= mouvement.personne.is_protegee
            self.has_majorite |= mouvement.is_majorite
            if mouvement.after is not None:
                self.dates[format_date(mouvement)] += 1
            shown = ShownMouvement(mouvement.id, mouvement.arrives_in, mouvement.leaves)
            self._kept.append((order_key(mouvement.personne), shown))
        elif self._demande.type is TypeTableau.CINQ_JOURS_REU and is_in_period(
            mouvement, self._demande
        ):
            move_electeur(mouvement, self.others, 1)

    def shared_periode(self) -> str:
        """Return the unknown day that most lines share, `entre le … et le …`, to print it once; empty if none."""
        for printed, count in self.dates.most_common(1):
            if count >= _SHARED and 2 * count > len(self._kept):
                return printed
        return ""

    def has_only(self, printed: str) -> bool:
        """Return whether every line has this date."""
        return self.dates[printed] == len(self._kept)

    def drain(self) -> Iterator[ShownMouvement]:
        """Yield the shown mouvements in the order of the lines, homonyms by id; can be called once."""
        self._kept.sort(reverse=True)
        while self._kept:
            yield self._kept.pop()[1]


def move_electeur(mouvement: Mouvement, electeurs: Counter[str], sign: int) -> None:
    """Move the elector of a mouvement from the bureau that they leave to the one that they join."""
    if mouvement.arrives_in is not None:
        electeurs[mouvement.arrives_in] += sign
    if mouvement.leaves is not None:
        electeurs[mouvement.leaves] -= sign


class BureauElecteurs(NamedTuple):
    """A polling station, and its number of electors in the list that the tableau counts from.

    An empty code means the electors without a bureau.
    """

    code: str
    libelle: str
    electeurs: int


@dataclass
class Side:
    """The arrivals on a list, or the departures from it: ids of mouvements, in the order of the lines."""

    ids: "array[int]" = field(default_factory=lambda: array("q"))
    changements: int = 0

    def add(self, one: ShownMouvement) -> None:
        """Add one mouvement."""
        self.ids.append(one.id)
        self.changements += one.arrives_in is not None and one.leaves is not None


@dataclass
class Sides:
    """The arrivals and departures of one list."""

    additions: Side = field(default_factory=Side)
    retranchements: Side = field(default_factory=Side)


LignesOf = Callable[[Sequence[int]], Iterable[Ligne]]
"""Returns the lines of mouvements, given by their ids."""


def _make_sections(
    demande: Demande, liste: "ListeDeCommune", survey: Survey, lignes_of: LignesOf
) -> Iterator[Section]:
    """Yield the bureaux in the order of their numbers, unknown ones included, then the commune.

    The lines are those of the commune if it is printed alone, else those of the bureaux.
    """
    corrections, others = survey.corrections, survey.others
    commune, by_bureau = Sides(), defaultdict[str, Sides](Sides)
    for one in survey.drain():
        # In the commune a change of bureau is no departure: it is in part I only.
        (commune.retranchements if one.arrives_in is None else commune.additions).add(one)
        if one.arrives_in is not None:
            by_bureau[one.arrives_in].additions.add(one)
        if one.leaves is not None:
            by_bureau[one.leaves].retranchements.add(one)
    known = {bureau.code: bureau for bureau in liste.bureaux}
    unknown = [
        BureauElecteurs(code, "", 0) for code in {*by_bureau, *corrections, *others} - {*known}
    ]
    total = 0
    for bureau in sorted([*known.values(), *unknown], key=_order):
        avant, sides = bureau.electeurs + corrections[bureau.code], by_bureau[bureau.code]
        total += avant
        parties = tuple(_make_parties(demande, sides, lignes_of))
        bilan = _bilan(avant, sides, others[bureau.code])
        titre = "Électeurs sans bureau de vote"
        if bureau.code:
            titre = (
                f"Bureau {bureau.code} — {bureau.libelle}"
                if bureau.libelle
                else f"Bureau {bureau.code}"
            )
        yield Section(bureau.code or SANS_BUREAU, titre, parties, bilan)
    is_alone = demande.presentation is Presentation.COMMUNE
    parties = tuple(_make_parties(demande, commune, lignes_of if is_alone else lambda _ids: ()))
    bilan = _bilan(total, commune, others.total(), is_commune=True)
    titre = name_secteur(demande.secteur) if demande.secteur else ""
    yield Section("", titre or f"Commune {of_commune(liste.nom_commune)}", parties, bilan)


def _make_parties(demande: Demande, sides: Sides, lignes_of: LignesOf) -> Iterator[Partie]:
    modele = MODELES[demande.type]
    for part, side in (
        (modele.additions, sides.additions),
        (modele.retranchements, sides.retranchements),
    ):
        if part and demande.presentation is not Presentation.RECAPITULATIF:
            total = f"{part.total} : {count_in_words(len(side.ids), 'électeur')}"
            if side.changements:
                total += f", dont {count_in_words(side.changements, 'changement')} de bureau"
            yield Partie(part.titre, lignes_of(side.ids), total)


def _bilan(avant: int, sides: Sides, others: int, *, is_commune: bool = False) -> Bilan:
    """Build a balance; in the commune, changes of bureau are neutral and counted separately."""
    arrivees, departs = sides.additions.changements, sides.retranchements.changements
    return Bilan(
        avant=avant,
        inscriptions=len(sides.additions.ids) - arrivees,
        radiations=len(sides.retranchements.ids) - departs,
        arrivees=0 if is_commune else arrivees,
        departs=departs,
        changements=arrivees if is_commune else 0,
        others=others,
    )


def _order(bureau: BureauElecteurs) -> tuple[bool, bool, int, str]:
    is_number = bureau.code.isdecimal()
    return not bureau.code, not is_number, int(bureau.code) if is_number else 0, bureau.code


MENTION_COMMISSION = "Exemplaire de la commission — ne pas afficher"
MENTION_RECAPITULATIF = "Document de travail — ne pas publier"
_RECAPITULATIF = "Récapitulatif des mouvements"
_NOT_PUBLISHED = (
    "Ce récapitulatif ne nomme personne : il ne remplace pas le tableau et ne se publie pas."
)


class TableauSource(Protocol):
    """The mouvements of one list; they stay unchanged while they are read, more than once."""

    def stream(self) -> Iterator[Mouvement]:
        """Yield every mouvement, ordered by id."""

    def fetch(self, ids: Sequence[int]) -> Iterator[Mouvement]:
        """Yield the mouvements with these ids, in the order asked."""


@dataclass(frozen=True)
class ListeDeCommune:
    """A list of a commune, and its bureaux with their number of electors."""

    code_commune: str
    nom_commune: str
    liste: Liste
    bureaux: Sequence[BureauElecteurs]
    departement: str = ""
    has_arrondissements: bool = False
    secteur: str = ""
    """The secteur that the tableau is of, with its arrondissements; empty: the whole commune."""


def compose_tableau(
    demande: Demande, liste: ListeDeCommune, source: TableauSource, chain: Chain | None = None
) -> Tableau:
    """Build the tableau after one pass over the mouvements; its lines are fetched while they are read.

    `chain`: the known exports and declarations of the list: the tableau cites the exports that it rests on.
    """
    survey = Survey(demande)
    for mouvement in source.stream():
        survey.add(mouvement)
    has_nationalite = liste.liste is not Liste.PRINCIPALE
    is_recapitulatif = demande.presentation is Presentation.RECAPITULATIF
    is_dated = MODELES[demande.type].has_dates
    shared = survey.shared_periode() if is_dated else ""
    has_dates = is_dated and not (shared and survey.has_only(shared))
    left_out = "" if liste.has_arrondissements else liste.nom_commune
    rules = LigneRules(
        demande.edition,
        has_nationalite,
        has_dates,
        left_out,
        periode=shared,
        code_commune=liste.code_commune,
    )
    sections = tuple(
        _make_sections(demande, liste, survey, partial(Lignes, fetch=source.fetch, rules=rules))
    )
    commune = sections[-1].bilan
    return Tableau(
        type=demande.type.value,
        presentation=demande.presentation.value,
        titre=_RECAPITULATIF if is_recapitulatif else demande.titre,
        reference_legale=(
            "" if is_recapitulatif else law_of(demande.type, demande.scrutin, demande.code_commune)
        ),
        nom_commune=liste.nom_commune,
        code_commune=liste.code_commune,
        departement=liste.departement,
        liste=f"{liste.liste.label} — {liste.liste.value}",
        objet=". ".join(
            filter(None, (liste.secteur, demande.name if is_recapitulatif else "", _objet(demande)))
        ),
        edite_le=f"Édité le {format_moment(demande.requested_at, liste.code_commune)}",
        is_provisoire=demande.is_provisoire,
        sections=sections[-1:] if demande.presentation is Presentation.COMMUNE else sections,
        signatures=_signatures(demande, liste.nom_commune),
        notes=tuple(_make_notes(demande, liste, survey, chain)),
        avis=tuple(_for_citizens(demande, liste.code_commune)),
        has_nationalite=has_nationalite,
        has_dates=has_dates,
        periode=_periode(demande, shared, has_dates=has_dates),
        mention=_mention(demande),
        mouvements=commune.inscriptions + commune.radiations + commune.changements,
        bilans=tuple((it.code, it.titre, it.bilan) for it in sections),
    )


@dataclass(frozen=True)
class OfSecteur:
    """The mouvements of a secteur of Paris, Lyon or Marseille, which has a list of its own: a source of its tableau.

    Who moves to or from another secteur is an inscription or a radiation. Code électoral, art. L. 16 and R. 7. A
    mouvement without a known bureau is in each secteur, where it is an anomaly.
    """

    source: TableauSource
    others: Collection[str]
    """The bureaux of the other secteurs."""

    def stream(self) -> Iterator[Mouvement]:
        """Yield the mouvements of the secteur, ordered by id."""
        for mouvement in self.source.stream():
            is_here = any(
                bureau is not None and bureau not in self.others
                for bureau in (mouvement.arrives_in, mouvement.leaves)
            )
            if is_here:
                yield self._within(mouvement)

    def fetch(self, ids: Sequence[int]) -> Iterator[Mouvement]:
        """Yield the mouvements with these ids, in the order asked."""
        return map(self._within, self.source.fetch(ids))

    def _within(self, mouvement: Mouvement) -> Mouvement:
        if not mouvement.is_changement_bureau:
            return mouvement
        moved = replace(mouvement, categorie=Categorie.CHANGEMENT_BUREAU)
        if mouvement.arrives_in in self.others:
            return replace(moved, nature=Nature.RADIATION, nouveau_bureau="")
        if mouvement.leaves in self.others:
            return replace(moved, nature=Nature.INSCRIPTION, ancien_bureau="")
        return mouvement


def _periode(demande: Demande, shared: str, *, has_dates: bool) -> str:
    if not shared or demande.presentation is Presentation.RECAPITULATIF:
        return ""
    return f"Date des mouvements{', sauf indication' if has_dates else ''} : {shared}"


def _mention(demande: Demande) -> str:
    if demande.edition is Edition.COMMISSION:
        return MENTION_COMMISSION
    is_recapitulatif = demande.presentation is Presentation.RECAPITULATIF
    return MENTION_RECAPITULATIF if is_recapitulatif else ""


def _objet(demande: Demande) -> str:
    if Repere.DATE_TABLEAU in REPERES[demande.type]:
        return f"Date de tableau : {long_date(demande.required(Repere.DATE_TABLEAU))}"
    if demande.scrutin:
        return f"Scrutin du {long_date(demande.scrutin)}"
    if demande.commission:
        return f"Commission de contrôle du {long_date(demande.commission)}"
    return f"Mouvements jusqu’au {long_date(demande.last_day)}"


def _signatures(demande: Demande, nom_commune: str) -> Signatures | None:
    signataire = MODELES[demande.type].signataire or (
        Signataire.MAIRE if demande.is_signed_by_maire else None
    )
    if signataire is None:
        return None
    is_commission = signataire is Signataire.COMMISSION_ADMINISTRATIVE
    if not is_commission and not _is_read_by_citizens(demande):
        return None  # the mayor signs that the tableau is published
    places, formule = (MEMBRES_COMMISSION, "Fait") if is_commission else (1, "Publié")
    return Signatures(signataire.value, places, f"{formule} {at_commune(nom_commune)}, le …")


SANS_BUREAU = "–"
"""Code of the section of electors without a bureau: an empty code is the commune's."""


_BLANK = "____________"
"""A blank to fill in by hand: the days of the publication are known after the tableau is made."""


def _is_read_by_citizens(demande: Demande) -> bool:
    is_posted = demande.edition is Edition.AFFICHAGE
    return is_posted and demande.presentation is not Presentation.RECAPITULATIF


def _what_it_shows(demande: Demande) -> str:
    start = demande.required(Repere.REUNION) + timedelta(days=1)
    is_l30 = demande.type is TypeTableau.CINQ_JOURS_REU
    which = " faites au titre de l’article L. 30" if is_l30 else ""
    it = (
        "Ce récapitulatif compte"
        if demande.presentation is Presentation.RECAPITULATIF
        else "Ce tableau indique"
    )
    return (
        f"{it} les inscriptions{which} et les radiations intervenues depuis le {short_date(start)}, "
        f"jusqu’au {short_date(demande.last_day)}."
    )


def _what_it_is(demande: Demande) -> Iterator[str]:
    if not demande.type.is_repealed:
        yield _what_it_shows(demande)
    if demande.presentation is Presentation.RECAPITULATIF:
        yield _NOT_PUBLISHED


def _for_citizens(demande: Demande, code_commune: str) -> Iterator[str]:
    appeals = appeals_of(demande.type, code_commune)
    if not _is_read_by_citizens(demande) or not appeals:
        return
    yield _what_it_shows(demande)
    yield f"Publié le {_BLANK}. Consultable jusqu’au {_BLANK}. Retiré le {_BLANK}."
    if demande.type is TypeTableau.VINGT_JOURS:
        yield CONSULTATION
    yield from appeals


def _make_notes(
    demande: Demande, liste: ListeDeCommune, survey: Survey, chain: Chain | None
) -> Iterator[str]:
    if not _is_read_by_citizens(demande):
        yield from _what_it_is(demande)
    if survey.has_majorite:
        yield (
            "S’y ajoutent les électeurs inscrits avant leurs dix-huit ans, qui les ont le "
            f"{short_date(demande.age_apres)} au plus tard ({cite('L. 11, II, 1°')})."
        )
    exports = exports_used(demande, chain) if chain else ()
    if chain:
        yield _cite_source(demande, chain, exports)
    if demande.inclure_j5 and demande.type is TypeTableau.PREMIER_RECTIFICATIF:
        yield "Y compris les mouvements appliqués pour un scrutin de l’année, déjà portés au tableau des cinq jours."
    if demande.presentation is not Presentation.RECAPITULATIF:
        if survey.has_provisoire:
            yield "N° 0 : numéro provisoire ; le numéro d’ordre est attribué quand le mouvement est appliqué."
        if survey.has_lines and not liste.has_arrondissements:
            yield f"Une adresse sans commune est {at_commune(liste.nom_commune)}."
        if survey.has_protegee:
            yield f"{ADRESSE_MASQUEE} : {LAW_OF_PROTECTION}."
        if demande.edition is Edition.COMMISSION:
            yield "Les motifs sont complets."


def _cite_source(demande: Demande, chain: Chain, exports: Sequence[Link]) -> str:
    """Cite the sources of the tableau: exports, each with its number of people, or the current register."""
    if exports:
        *others, last = [
            f"du {short_date(it.taken_on)} ({count_of(it.electeurs, 'personne')})" for it in exports
        ]
        said = f"{', '.join(others)} et {last}" if others else last
        source = f"{'les exports' if others else 'l’export'} du répertoire électoral unique {said}, mineurs compris"
    else:
        source = f"le registre, lu pour la demande du {format_moment(demande.requested_at, demande.code_commune)}"
    word = chain.word(last_known_day(demande))
    vouched = (
        f", et les mouvements dits complets jusqu’au {short_date(word.complete_until)}"
        if word
        else ""
    )
    return f"D’après {source}{vouched}."
