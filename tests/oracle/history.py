"""The history of the register of one commune: people, exports of the REU, and the steps of a history."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

LISTES = ("P", "CE", "CM")
BIRTHPLACES = {"MARSEILLE": ("13055", "13", "FRANCE"), "BRUXELLES": ("99131", "99", "BELGIQUE")}
"""Commune of birth: its code, its département, its country."""


class Commune(NamedTuple):
    """The commune of a history, and the hour at which its clerk works."""

    code: str
    nom: str
    departement: str
    adresse: tuple[str, str]
    """Postal code and town of every address."""
    zone: str
    hour: int
    """Local time. Overseas it is chosen so that the date in Paris is another one."""
    arrondissements: Mapping[str, str] = {}
    """The arrondissement of each bureau, when the REU exports the lists by arrondissement."""


LIBREVILLE = Commune("13900", "Libreville", "13", ("13001", "MARSEILLE"), "Europe/Paris", 9)
PAPEETE = Commune("98735", "Papeete", "987", ("98714", "PAPEETE"), "Pacific/Tahiti", 20)
SAINT_DENIS = Commune(
    *("97411", "Saint-Denis", "974", ("97400", "SAINT-DENIS"), "Indian/Reunion", 2)
)
LYON = Commune(
    *("69123", "Lyon", "69", ("69001", "LYON"), "Europe/Paris", 9),
    {"0001": "69381", "0002": "69382", "0003": "69382"},
)
COMMUNES = (LIBREVILLE, PAPEETE, SAINT_DENIS, LYON)


class Personne(NamedTuple):
    """A person as the identity key of a list has them."""

    nom: str
    prenoms: str
    naissance: str
    """`AAAA-MM-JJ`, with zeros for unknown parts."""
    commune: str = "MARSEILLE"

    @property
    def jour(self) -> str:
        """The date of birth as papers print it."""
        return "/".join(reversed(self.naissance.split("-")))


class Inscrit(NamedTuple):
    """One line of an export: a person on a list."""

    personne: Personne
    bureau: str
    """Four digits."""
    numero: int
    voie: str
    """Number and street: `12 BIS Rue ba 3`."""
    usage: str = ""
    nationalite: str = "Française"


Lines = tuple[Inscrit, ...]


class Change(NamedTuple):
    """A mouvement that a comparison finds, or that a file contains."""

    nature: str
    personne: Personne
    ancien: str
    nouveau: str
    inscrit: Inscrit
    """The values that a tableau prints: for a radiation, the line of the former export."""
    categorie: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """The values that two mouvements of one day may not share."""
        return self.nature, *self.personne, self.ancien, self.nouveau

    @property
    def line(self) -> tuple[object, ...]:
        """The values that tell it from a homonym's."""
        return *self.key, self.inscrit


class Told(NamedTuple):
    """A mouvement that no comparison found, and its day."""

    change: Change
    day: date


@dataclass(frozen=True)
class Import:
    """An export of the REU enters the register."""

    day: date
    """The day of the step: no step has an earlier day than the step before."""
    listes: Mapping[str, Lines]
    taken_on: date | None
    """The declared day of the export; None: not declared."""
    is_compared: bool = True
    emptied: tuple[str, ...] = ()
    """Lists that are absent because no person is on them any more."""
    is_accepted: bool = True
    """Whether the clerk accepts the changes that the import may ask about."""


@dataclass(frozen=True)
class Redate:
    """A clerk declares afterwards on which day an export was taken."""

    day: date
    link: int
    """Index of the import in the history, from 0."""
    taken_on: date


@dataclass(frozen=True)
class Undo:
    """An import is undone, if no later one has replaced one of its lists."""

    day: date
    link: int
    """Index of the import in the history, from 0."""


@dataclass(frozen=True)
class Bring:
    """A file brings mouvements of a list, and may declare that the register then holds all until a day."""

    day: date
    liste: str
    lines: tuple[Told, ...]
    complete_until: date | None
    is_applied: bool = True
    """Whether the list shows them already."""


@dataclass(frozen=True)
class Meeting:
    """A meeting of the commission de contrôle is added."""

    day: date
    held_on: date


@dataclass(frozen=True)
class Poll:
    """A poll is added, with its name, which determines whether it may have a second round."""

    day: date
    held_on: date
    libelle: str


@dataclass(frozen=True)
class Decide:
    """A clerk resolves the doubt about two people of a list: one person with a corrected civil status, or two."""

    day: date
    liste: str
    left: Personne
    came: Personne
    is_same: bool


@dataclass(frozen=True)
class Complete:
    """A clerk enters day and category of the last mouvement of a person, as far as they are known."""

    day: date
    liste: str
    nature: str
    personne: Personne
    categorie: str
    jour: date | None


@dataclass(frozen=True)
class Edit:
    """Another service deletes a person from a list by SQL."""

    day: date
    liste: str
    personne: Personne


@dataclass(frozen=True)
class AskListe:
    """A request for the file of a list."""

    day: date
    liste: str
    is_interrupted: bool = False
    """The worker dies before it begins; another one claims the row, twice."""


@dataclass(frozen=True)
class AskTableau:
    """A request for a tableau by bureau; the register completes dates that are None."""

    day: date
    liste: str
    type: str
    reunion: date | None = None
    until: date | None = None
    scrutin: date | None = None
    is_interrupted: bool = False
    again: date | None = None
    """The day on which the same request is made again, with `day` as its date."""


Step = (
    Import
    | Redate
    | Undo
    | Bring
    | Meeting
    | Poll
    | Decide
    | Complete
    | Edit
    | AskListe
    | AskTableau
)


@dataclass(frozen=True)
class History:
    """Steps in their order."""

    steps: Sequence[Step] = field(default_factory=tuple)
    commune: Commune = LIBREVILLE


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
