"""Figures: how many electors before and after, for a bureau and for the commune."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from worker.domain.mouvement import Mouvement, Nature
from worker.domain.tableau import Bilan


@dataclass(frozen=True)
class Bureau:
    """A polling station, and how many electors of the list it had before the mouvements.

    An empty code stands for the electors who have no bureau.
    """

    code: str
    libelle: str
    avant: int


def arrives_in(mouvement: Mouvement) -> str | None:
    """The bureau whose list the elector comes onto, in part I; None when nobody comes."""
    return None if mouvement.nature is Nature.RADIATION else mouvement.nouveau_bureau


def leaves(mouvement: Mouvement) -> str | None:
    """The bureau whose list the elector leaves, in part II by bureau; None when nobody leaves."""
    return None if mouvement.nature is Nature.INSCRIPTION else mouvement.ancien_bureau


def bilan_of_commune(bureaux: Iterable[Bureau], mouvements: Iterable[Mouvement]) -> Bilan:
    """The balance of the commune: changes of bureau are neutral, and counted apart."""
    counts = Counter(mouvement.nature for mouvement in mouvements if mouvement.is_listed)
    return Bilan(
        avant=sum(bureau.avant for bureau in bureaux),
        inscriptions=counts[Nature.INSCRIPTION],
        radiations=counts[Nature.RADIATION],
        arrivees=0,
        departs=0,
        changements=counts[Nature.MODIFICATION],
    )


def bilan_of_bureau(avant: int, additions: Sequence[Mouvement], retranchements: Sequence[Mouvement]) -> Bilan:
    """The balance of a bureau, from those who come onto its list and those who leave it."""
    arrivees = sum(mouvement.is_changement_bureau for mouvement in additions)
    departs = sum(mouvement.is_changement_bureau for mouvement in retranchements)
    return Bilan(
        avant=avant,
        inscriptions=len(additions) - arrivees,
        radiations=len(retranchements) - departs,
        arrivees=arrivees,
        departs=departs,
        changements=0,
    )


def electors_before(now: Mapping[str, int], applied: Iterable[Mouvement]) -> dict[str, int]:
    """How many electors each bureau had before mouvements that its list holds now.

    `applied`: those of the tableau that are applied already, and every one that was applied after it.
    """
    before = Counter(now)
    for mouvement in applied:
        if mouvement.is_listed:
            if (bureau := arrives_in(mouvement)) is not None:
                before[bureau] -= 1
            if (bureau := leaves(mouvement)) is not None:
                before[bureau] += 1
    return dict(before)
