"""The sections of a tableau: the commune, each bureau, and their parts with totals in words and figures."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.tableaux import Presentation
from worker.domain.bilan import Bureau, arrives_in, bilan_of_bureau, bilan_of_commune, leaves
from worker.domain.francais import count, of_commune
from worker.domain.lignes import LigneRules, in_order
from worker.domain.mouvement import Mouvement
from worker.domain.tableau import Ligne, Partie, Section
from worker.domain.types_tableau import Modele, PartieModele

SANS_BUREAU = "–"
"""Code of the section of electors who have no bureau: an empty code is the commune's."""


@dataclass(frozen=True)
class SectionBuilder:
    """Builds the sections of one tableau."""

    modele: Modele
    rules: LigneRules
    nom_commune: str

    def build(
        self, presentation: Presentation, bureaux: Sequence[Bureau], mouvements: Sequence[Mouvement]
    ) -> tuple[Section, ...]:
        """The sections of a presentation; the commune comes last."""
        ordered = in_order(mouvements)
        if presentation is Presentation.COMMUNE:
            return (self._commune(bureaux, ordered, has_parties=True, has_lignes=True),)
        has_parties = presentation is Presentation.PAR_BUREAU
        commune = self._commune(bureaux, ordered, has_parties=has_parties, has_lignes=False)
        return *self._bureaux(bureaux, ordered, has_parties=has_parties), commune

    def _commune(
        self, bureaux: Sequence[Bureau], mouvements: Sequence[Mouvement], *, has_parties: bool, has_lignes: bool
    ) -> Section:
        additions = [mouvement for mouvement in mouvements if arrives_in(mouvement) is not None]
        # In the commune an elector who changes bureau leaves nothing: she is in part I only.
        retranchements = [mouvement for mouvement in mouvements if arrives_in(mouvement) is None]
        parties = self._parties(additions, retranchements, has_lignes=has_lignes) if has_parties else ()
        return Section("", f"Commune {of_commune(self.nom_commune)}", parties, bilan_of_commune(bureaux, mouvements))

    def _bureaux(
        self, bureaux: Sequence[Bureau], mouvements: Sequence[Mouvement], *, has_parties: bool
    ) -> list[Section]:
        coming, leaving = defaultdict(list), defaultdict(list)
        for mouvement in mouvements:
            if (code := arrives_in(mouvement)) is not None:
                coming[code].append(mouvement)
            if (code := leaves(mouvement)) is not None:
                leaving[code].append(mouvement)
        known = {bureau.code: bureau for bureau in bureaux}
        unknown = {code: Bureau(code, "", 0) for code in {*coming, *leaving} - {*known}}
        sections = []
        for bureau in sorted({**known, **unknown}.values(), key=_bureau_order):
            additions, retranchements = coming[bureau.code], leaving[bureau.code]
            parties = self._parties(additions, retranchements, has_lignes=True) if has_parties else ()
            bilan = bilan_of_bureau(bureau.avant, additions, retranchements)
            sections.append(Section(bureau.code or SANS_BUREAU, _titre(bureau), parties, bilan))
        return sections

    def _parties(
        self, additions: Sequence[Mouvement], retranchements: Sequence[Mouvement], *, has_lignes: bool
    ) -> tuple[Partie, ...]:
        parts = [(self.modele.additions, additions)]
        if self.modele.retranchements:
            parts.append((self.modele.retranchements, retranchements))
        return tuple(self._partie(modele, mouvements, has_lignes=has_lignes) for modele, mouvements in parts)

    def _partie(self, modele: PartieModele, mouvements: Sequence[Mouvement], *, has_lignes: bool) -> Partie:
        lignes: tuple[Ligne, ...] = tuple(map(self.rules.to_ligne, mouvements)) if has_lignes else ()
        total = f"{modele.total} : {count(len(mouvements), 'électeur')}"
        changes = sum(mouvement.is_changement_bureau for mouvement in mouvements)
        if changes:
            total += f", dont {count(changes, 'changement')} de bureau"
        return Partie(modele.titre, lignes, total)


def _titre(bureau: Bureau) -> str:
    if not bureau.code:
        return "Électeurs sans bureau de vote"
    return f"Bureau {bureau.code} — {bureau.libelle}" if bureau.libelle else f"Bureau {bureau.code}"


def _bureau_order(bureau: Bureau) -> tuple[bool, bool, int, str]:
    """Numbers as numbers, then other codes, then those who have no bureau."""
    is_number = bureau.code.isdecimal()
    return not bureau.code, not is_number, int(bureau.code) if is_number else 0, bureau.code
