"""The columns of a tableau, and those of its récapitulatif: in points, the page's width in all."""

from collections.abc import Callable
from operator import attrgetter

from worker.domain.tableau import Bilan, Ligne
from worker.pdf.pages import WIDTH
from worker.pdf.row import Column
from worker.pdf.table import GAP

Values = Callable[[Ligne], tuple[str, ...]]

_LIGNE = {
    "numero": ("N° d’ordre", (33, 30, 33, 30)),
    "nom_naissance": ("Nom de naissance", (110, 103, 100, 96)),
    "nom_usage": ("Nom d’usage", (86, 76, 76, 68)),
    "prenoms": ("Prénoms", (98, 88, 84, 76)),
    "naissance": ("Date et lieu de naissance", (128, 124, 112, 106)),
    "adresse": ("Adresse", (154, 136, 132, 120)),
    "nationalite": ("Nationalité", (0, 0, 60, 56)),
    "bureau": ("Bureau", (60, 56, 60, 56)),
    "date": ("Date du mouvement", (0, 50, 0, 50)),
}
"""Each with its width where there is neither nationality nor date, the date, the nationality, both; 0: no such column.

Nationality: on the complementary lists (Code électoral, art. LO 227-3); date: on the tableau des vingt jours (R. 13).
"""
_MOTIF = "motif"
_RECAPITULATIF = (
    "Électeurs avant",
    "Inscriptions",
    "Arrivées d’un autre bureau",
    "Radiations",
    "Départs vers un autre bureau",
    "Électeurs après",
)
_NUMBER_WIDTH = 76.0


def columns_of_ligne(*, has_nationalite: bool, has_dates: bool) -> tuple[list[Column], Values]:
    """The columns, the last as wide as the page allows, and what takes their values from a line."""
    place = 2 * has_nationalite + has_dates
    names = [name for name, (_, widths) in _LIGNE.items() if widths[place]]
    columns = [
        Column(
            titre=_LIGNE[name][0],
            width=_LIGNE[name][1][place],
            is_number=name == "numero",
            is_strong=name == "nom_naissance",
            is_row_title=name == "nom_naissance",
        )
        for name in names
    ]
    rest = WIDTH - sum(column.width + GAP for column in columns)
    return [*columns, Column(_MOTIF.capitalize(), rest)], attrgetter(*names, _MOTIF)


def columns_of_bilan() -> list[Column]:
    """The bureau, then its numbers."""
    numbers = [Column(titre, _NUMBER_WIDTH, is_number=True) for titre in _RECAPITULATIF]
    width = WIDTH - len(numbers) * (_NUMBER_WIDTH + GAP)
    return [Column("Bureau de vote", width, is_row_title=True), *numbers]


def numbers_of_bilan(bilan: Bilan) -> tuple[int, ...]:
    """In the order of the columns. In the commune's totals each change of bureau is an arrival and a departure."""
    return (
        bilan.avant,
        bilan.inscriptions,
        bilan.arrivees or bilan.changements,
        bilan.radiations,
        bilan.departs or bilan.changements,
        bilan.apres,
    )
