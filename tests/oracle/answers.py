"""What a step of a history is answered: by the product, and by the oracle."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """Mouvements that the tableau counts and does not name."""

    @property
    def is_even(self) -> bool:
        """Whether before and what came and left make after."""
        came, left = self.inscriptions + self.arrivees, self.radiations + self.departs
        return self.avant + came - left + self.others == self.apres


class Line(NamedTuple):
    """One line of a tableau by bureau, as it is printed."""

    part: str
    """`I` additions, `II` retranchements."""
    section: str
    """Code of the bureau under whose title the line stands."""
    personne: Personne
    numero: str
    usage: str
    naissance: str
    adresse: str
    bureau: str
    nationalite: str
    date: str
    motif: str

    @property
    def who(self) -> tuple[str, str, Personne]:
        """The elector, and where the line stands."""
        return self.part, self.section, self.personne


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

    electeurs: tuple[Inscrit, ...]
    """In the order of the file, without order numbers, which it lacks."""
    mineurs: int
    heads: frozenset[tuple[str, ...]]
    """What all lines share: type of list, day, département, code and name of the commune."""
    anomalies: Counter[str]
    """How often the report says each code."""


@dataclass(frozen=True)
class Tableau:
    """A tableau, by bureau."""

    first: date
    """The first day that counts; `last` the last one."""
    last: date
    gaps: frozenset[str]
    """Why it is not covered: the codes of docs/registre.md that are blocking; empty: nothing hinders it."""
    is_provisional: bool
    lines: tuple[Line, ...]
    """In the order of the pages."""
    mouvements: int
    remarks: Counter[str]
    """What is said beside: whatever begins with `couverture`, once each; homonyms and corrections, as often as said."""
    figures: Mapping[str, Figures]
    """By bureau; bureaux where there is nothing and nobody may be missing. `""` is the commune."""
    incomplete: Counter[str]
    """What is to be completed: how many mouvements lack a date, how many a category."""
    totals: Mapping[tuple[str, str], str]
    """The sentence that ends each part, by section and part."""
    exports: str
    """The note that names the exports."""
    digest: str = field(default="", compare=False)
    """Of the file; the oracle knows none."""


Answer = Done | Refused | Liste | Tableau | None
