"""The columns of a tableau, and those of its récapitulatif: in points, the page's width in all."""

from collections.abc import Callable
from operator import attrgetter

from worker.domain.tableau import Bilan, Ligne
from worker.pdf.pages import WIDTH
from worker.pdf.row import Column
from worker.pdf.table import GAP

Values = Callable[[Ligne], tuple[str, ...]]

_NOM = Column("Nom de naissance", 110, is_strong=True, is_row_title=True)
_LIGNE = {
    "numero": Column("N° d’ordre", 33, is_number=True),
    "nom_naissance": _NOM,
    "nom_usage": Column("Nom d’usage", 86),
    "prenoms": Column("Prénoms", 98),
    "naissance": Column("Date et lieu de naissance", 128),
    "adresse": Column("Adresse", 154),
    "bureau": Column("Bureau", 60),
    "motif": Column("Motif", 0),
}
_LIGNE_ETRANGERE = {
    "numero": Column("N° d’ordre", 33, is_number=True),
    "nom_naissance": Column("Nom de naissance", 100, is_strong=True, is_row_title=True),
    "nom_usage": Column("Nom d’usage", 76),
    "prenoms": Column("Prénoms", 84),
    "naissance": Column("Date et lieu de naissance", 112),
    "adresse": Column("Adresse", 132),
    "nationalite": Column("Nationalité", 60),
    "bureau": Column("Bureau", 60),
    "motif": Column("Motif", 0),
}
"""On the complementary lists. Code électoral, art. LO 227-3."""
_RECAPITULATIF = (
    "Électeurs avant",
    "Inscriptions",
    "Arrivées d’un autre bureau",
    "Radiations",
    "Départs vers un autre bureau",
    "Électeurs après",
)
_NUMBER_WIDTH = 76.0


def columns_of_ligne(*, has_nationalite: bool) -> tuple[list[Column], Values]:
    """The columns, the last as wide as the page allows, and what takes their values from a line."""
    columns = _LIGNE_ETRANGERE if has_nationalite else _LIGNE
    *others, last = columns.values()
    rest = WIDTH - sum(column.width + GAP for column in others)
    return [*others, Column(last.titre, rest)], attrgetter(*columns)


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
