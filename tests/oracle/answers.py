"""What a step of a history is answered: by the product, and by the oracle."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from tests.oracle.history import Inscrit, Personne


class Figures(NamedTuple):
    """The balance of a bureau, or of the commune."""

    avant: int = 0
    inscriptions: int = 0
    arrivees: int = 0
    radiations: int = 0
    departs: int = 0
    apres: int = 0
    others: int = 0
    """What the mouvements that the tableau does not show add, or take away."""

    @property
    def is_even(self) -> bool:
        """Whether before and what came and left make after."""
        came, left = self.inscriptions + self.arrivees, self.radiations + self.departs
        return self.avant + came - left + self.others == self.apres


class Line(NamedTuple):
    """Somebody in a part of a tableau, by bureau."""

    part: str
    """`I` additions, `II` retranchements."""
    bureau: str
    personne: Personne


@dataclass(frozen=True)
class Done:
    """An import that was accepted: what it changed. An undoing, a correction of a day: nothing more is known."""

    inscriptions: int = 0
    radiations: int = 0
    changements: int = 0
    is_unchanged: bool = False
    """The same bytes as the register shows: nothing was done."""


@dataclass(frozen=True)
class Refused:
    """Nothing was done."""


@dataclass(frozen=True)
class Liste:
    """The file of a list."""

    electeurs: Counter[Inscrit]
    """Without numbers and streets."""
    mineurs: int


@dataclass(frozen=True)
class Tableau:
    """A tableau, by bureau."""

    first: date
    """The first day that counts; `last` the last one."""
    last: date
    gaps: frozenset[str]
    """Why it is not covered: the codes of docs/registre.md that are blocking; empty: nothing hinders it."""
    is_provisional: bool
    lines: Counter[Line]
    mouvements: int
    remarks: Counter[str]
    """What is said beside: whatever begins with `couverture`, once each; homonyms and corrections, as often as said."""
    figures: Mapping[str, Figures]
    """By bureau; bureaux where there is nothing and nobody may be missing. `""` is the commune."""


Answer = Done | Refused | Liste | Tableau | None
