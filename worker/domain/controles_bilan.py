"""What is wrong with the figures of a tableau: the register's list and its mouvements contradict each other."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.vocabulary import Severity
from worker.domain.tableau import Tableau


@dataclass(frozen=True)
class AnomalieBureau:
    """As AnomalieMouvement, of a bureau; an empty code stands for the electors who have none."""

    code: str
    severity: Severity
    champ: str
    message: str
    bureau: str


def check_bilan(tableau: Tableau) -> Iterator[AnomalieBureau]:
    """The bureaux that cannot have the electors that the tableau says, before it or after it."""
    for bureau in tableau.bureaux_impossibles:
        yield AnomalieBureau(
            "bilan_impossible",
            Severity.BLOCKING,
            "bureau",
            "Moins de zéro électeur avant ou après le tableau : la liste et ses mouvements se contredisent, "
            "vérifier les mouvements appliqués de ce bureau, puis importer la liste de nouveau.",
            bureau,
        )
