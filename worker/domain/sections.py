"""The sections of a tableau: the commune, each bureau, and their parts with totals in words and figures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from common.french import count_in_words, of_commune
from schemas.tableaux import Presentation
from worker.domain.bilan import Bureau, Figures, Side, Sides
from worker.domain.tableau import Ligne, Partie, Section
from worker.domain.types_tableau import Modele, PartieModele

SANS_BUREAU = "–"
"""Code of the section of electors who have no bureau: an empty code is the commune's."""


@dataclass(frozen=True)
class SectionBuilder:
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


def _titre(bureau: Bureau) -> str:
    if not bureau.code:
        return "Électeurs sans bureau de vote"
    return f"Bureau {bureau.code} — {bureau.libelle}" if bureau.libelle else f"Bureau {bureau.code}"
