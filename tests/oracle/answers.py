"""The answer to a step of a history: by the product, and by the oracle."""

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
    """Mouvements that the tableau counts but does not name."""

    @property
    def is_even(self) -> bool:
        """Whether before plus arrivals minus departures equals after."""
        came, left = self.inscriptions + self.arrivees, self.radiations + self.departs
        return self.avant + came - left + self.others == self.apres


class Line(NamedTuple):
    """One printed line of a tableau by bureau."""

    part: str
    """`I` additions, `II` retranchements."""
    section: str
    """Code of the bureau whose section contains the line."""
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
        """The elector, and the position of the line."""
        return self.part, self.section, self.personne


@dataclass(frozen=True)
class Done:
    """An accepted import, with its changes. For an undoing or a correction of a day the fields are empty."""

    inscriptions: int = 0
    radiations: int = 0
    changements: int = 0
    is_unchanged: bool = False
    """The register shows the same bytes already: nothing was done."""


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
    """The values that all lines share: type of list, day, département, code and name of the commune."""
    anomalies: Counter[str]
    """The number of times of each code in the report."""


@dataclass(frozen=True)
class Tableau:
    """A tableau, by bureau."""

    first: date
    """The first day of the period; `last` is the last one."""
    last: date
    gaps: frozenset[str]
    """Why the period is not covered: the blocking codes of docs/registre.md; empty when it is covered."""
    is_provisional: bool
    lines: tuple[Line, ...]
    """In the order of the pages."""
    mouvements: int
    remarks: Counter[str]
    """Other remarks: codes that begin with `couverture`, once each; homonyms and corrections, as often as reported."""
    figures: Mapping[str, Figures]
    """By bureau; a bureau without electors and mouvements may be absent. `""` is the commune."""
    incomplete: Counter[str]
    """The missing values: how many mouvements lack a date, how many a category."""
    totals: Mapping[tuple[str, str], str]
    """The sentence that ends each part, by section and part."""
    exports: str
    """The note that names the exports."""
    digest: str = field(default="", compare=False)
    """Of the file; the oracle has none."""


Answer = Done | Refused | Liste | Tableau | None
