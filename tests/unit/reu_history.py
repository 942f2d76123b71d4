"""A made-up town and its exports of the REU, month after month, with what really happened to each person.

Written from the specification of the register, not from the rules that compare exports. A month brings deaths,
departures and arrivals of households, young people who come of age, marriages, moves; there are homonyms and twins.
Each January numbers are given anew in alphabetical order, and from the second on the bureaux too. A few civil statuses
are corrected, one part each, a third of them of people who move in the same month; and of some of those the place of
birth besides.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, product
from random import Random

from tests.unit.reu_sample import BUREAU, DATE, ELECTEUR, NOM, NUMERO, PRENOMS, TITLES, VOIE

USAGE, LIEU, CODE_LIEU, NUMERO_VOIE = TITLES[4], TITLES[9], TITLES[8], TITLES[13]

_SYLLABLES = "BAR", "BEL", "CHAR", "COR", "DUR", "FAU", "GAR", "LAM", "MAR", "MOR", "PEL", "ROU", "SAU", "TAN", "VER"
_ENDINGS = "BIER", "CHON", "DEAU", "GNAC", "LIER", "MONT", "NAUD", "PIN", "RAC", "TEL", "THIER", "VAL", "VIN", "ZAC"
NOMS = [first + second for first, second in product(_SYLLABLES, _ENDINGS)]
_MOTHERS = "Marie Jeanne Anne Louise Catherine Sophie Zoé Odile Rose Aglaé Capucine Iris Ursule Noémie Flore"
_FATHERS = "Jean Pierre Michel Louis Paul Jacques Guy Basile Ignace Octave Félix Ange Rémi Noël Aristide"
GIVEN = {"F": _MOTHERS.split(), "M": _FATHERS.split()}
LIEUX = [f"VILLE-{letter}" for letter in "ABCDEFGHIJKLMNOPQRST"]
STREETS = [f"Rue du {word}" for word in ("Puits", "Lavoir", "Four", "Moulin", "Pré", "Pont", "Bois", "Clos", "Val")]
HIGHEST = 40
"""The last house of a street."""

YEARS = 3
JANUARY = 1


@dataclass(frozen=True)
class Home:
    """Where a household lives."""

    street: int
    house: int


@dataclass
class Person:
    """Who somebody is, whatever the REU writes of her."""

    id: int
    nom: str
    usage: str
    given: list[str]
    sexe: str
    born: tuple[int, int, int]
    """Day, month, year; zeros are not known."""
    lieu: str
    home: Home
    numero: int = 0


@dataclass
class Month:
    """What happened: ids of persons."""

    arrived: set[int] = field(default_factory=set)
    left: set[int] = field(default_factory=set)
    corrected: dict[int, str] = field(default_factory=dict)
    """Which part of the civil status, and whether they moved as well."""


Rows = list[dict[str, str]]


class Town:
    """The electors of one list, and their months."""

    def __init__(self, rng: Random, size: int) -> None:
        """As many electors as `size`, or one household more."""
        self._rng = rng
        self._ids = count(1)
        self.persons: dict[int, Person] = {}
        self.bureaux = [1 + street % 4 for street in range(len(STREETS))]
        """The bureau of each street."""
        while len(self.persons) < size:
            self._arrive()
        for model in self._some(0.003):
            self._add(replace(model, id=next(self._ids), given=[*model.given], home=self._home()))
        self._renumber()

    def rows(self) -> Rows:
        """The export of now."""
        return [self._row(person) for person in self.persons.values()]

    def who(self) -> dict[tuple[str, int], int]:
        """Whose each bureau and number is now."""
        return {(self._bureau(person), person.numero): person.id for person in self.persons.values()}

    def months(self) -> Iterator[Month]:
        """What happens in each month of three years; `rows` then gives the export at its end."""
        for number in range(1, 12 * YEARS + 1):
            month = Month()
            known = set(self.persons)
            self._leave()
            self._come(known)
            self._marry_and_move()
            if number % 12 == JANUARY:
                if number > 12:
                    self.bureaux = [1 + (bureau + 1) % 5 for bureau in self.bureaux]
                self._renumber()
            self._correct(month, known)
            month.left, month.arrived = known - set(self.persons), set(self.persons) - known
            yield month

    def _row(self, person: Person) -> dict[str, str]:
        day, month, year = person.born
        return ELECTEUR | {
            NOM: person.nom,
            USAGE: person.usage,
            PRENOMS: " ".join(person.given),
            TITLES[6]: person.sexe,
            DATE: f"{day:02}/{month:02}/{year:04}",
            LIEU: person.lieu,
            CODE_LIEU: "",
            NUMERO_VOIE: str(person.home.house),
            VOIE: STREETS[person.home.street],
            BUREAU: self._bureau(person),
            NUMERO: str(person.numero),
        }

    def _bureau(self, person: Person) -> str:
        return f"{self.bureaux[person.home.street]:04}"

    def _some(self, rate: float) -> list[Person]:
        return [person for person in self.persons.values() if self._rng.random() < rate]

    def _home(self) -> Home:
        return Home(self._rng.randrange(len(STREETS)), self._rng.randint(1, HIGHEST))

    def _draw(self, words: Sequence[str]) -> str:
        """The first words are the most frequent, as names are."""
        return words[min(int(self._rng.paretovariate(0.8)) - 1, len(words) - 1) - self._rng.randrange(len(words)) // 2]

    def _given(self, sexe: str) -> list[str]:
        return list(dict.fromkeys(self._draw(GIVEN[sexe]) for _ in range(self._rng.choice((1, 2, 3, 3)))))

    def _add(self, person: Person) -> Person:
        bureau = self._bureau(person)
        numbers = [it.numero for it in self.persons.values() if self._bureau(it) == bureau]
        person.numero = max(numbers, default=0) + 1
        self.persons[person.id] = person
        return person

    def _new(self, nom: str, year: int, home: Home, usage: str = "", sexe: str = "") -> Person:
        rng = self._rng
        sexe = sexe or rng.choice("FM")
        day, month = (0, 0) if rng.random() < 0.01 else (rng.randint(1, 28), rng.randint(1, 12))
        person = Person(
            next(self._ids), nom, usage, self._given(sexe), sexe, (day, month, year), rng.choice(LIEUX), home
        )
        return self._add(person)

    def _arrive(self) -> None:
        """A household: somebody alone, or a couple, with grown children, twins at times."""
        rng = self._rng
        nom, home, year = rng.choice(NOMS), self._home(), rng.randint(1930, 2004)
        self._new(nom, year, home)
        if rng.random() < 0.5:
            self._new(rng.choice(NOMS), year + rng.randint(-5, 5), home, usage=nom, sexe="F")
            if year < 1975:
                children = [self._new(nom, year + rng.randint(25, 28), home) for _ in range(rng.choice((0, 0, 1, 2)))]
                if len(children) > 1 and rng.random() < 0.2:
                    children[1].born, children[1].lieu = children[0].born, children[0].lieu

    def _household(self, person: Person) -> list[Person]:
        names = {person.nom, person.usage or person.nom}
        return [it for it in self.persons.values() if it.home == person.home and {it.nom, it.usage} & names]

    def _leave(self) -> None:
        """Deaths, and departures alone or together."""
        for person in self._some(0.001) + [it for one in self._some(0.002) for it in self._household(one)]:
            self.persons.pop(person.id, None)
        for person in self._some(0.002):
            del self.persons[person.id]

    def _come(self, known: set[int]) -> None:
        """As many households as left, and the children of those who stay."""
        while len(self.persons) < len(known) + self._rng.randint(-3, 3):
            self._arrive()
        for parent in self._some(0.001):
            if parent.born[2] < 1985:
                self._new(parent.nom, 2008, parent.home)

    def _marry_and_move(self) -> None:
        for person in self._some(0.001):
            person.usage = self._rng.choice(NOMS)
        for person in self._some(0.002):
            self._move([person])
        for person in self._some(0.001):
            self._move(self._household(person))

    def _move(self, persons: Sequence[Person]) -> None:
        """To another home; another bureau gives them another number."""
        home = self._home()
        for person in persons:
            bureau = self._bureau(person)
            person.home = home
            if self._bureau(person) != bureau:
                self._add(self.persons.pop(person.id))

    def _renumber(self) -> None:
        """Each bureau from 1, in alphabetical order."""
        last: Counter[str] = Counter()
        for person in sorted(self.persons.values(), key=lambda it: (it.nom, it.given, it.born, it.id)):
            last[bureau := self._bureau(person)] += 1
            person.numero = last[bureau]

    def _correct(self, month: Month, known: set[int]) -> None:
        """One part of the civil status of a few; a third of them move as well, some of whom were born elsewhere too."""
        for person in self._some(0.002):
            if person.id in known:
                moves = self._rng.random() < 1 / 3
                part = self._rng.choice(("nom", "given", "born", "lieu"))
                self._change(person, part, moves=moves)
                month.corrected[person.id] = f"{part}, moved" if moves else part
                is_known = part == "born" or (part != "lieu" and person.born[0])
                if moves and is_known and self._rng.random() < 1 / 3:
                    self._change(person, "lieu", moves=moves)
                    month.corrected[person.id] += ", lieu"
                if moves:
                    self._move([person])

    def _change(self, person: Person, part: str, *, moves: bool) -> None:
        """Another value of one part; of who moves, first names keep one of those that there were."""
        rng = self._rng
        match part:
            case "nom":
                person.nom = person.usage or rng.choice([it for it in NOMS if it != person.nom])
                person.usage = ""
            case "lieu":
                person.lieu = rng.choice([it for it in LIEUX if it != person.lieu])
            case "given" if len(person.given) > 1 and rng.random() < 0.5:
                del person.given[rng.randrange(len(person.given))]
            case "given" if moves or rng.random() < 0.7:
                person.given.append(rng.choice([it for it in GIVEN[person.sexe] if it not in person.given]))
            case "given":
                person.given = [rng.choice([it for it in GIVEN[person.sexe] if it not in person.given])]
            case _:
                person.born = self._corrected_date(person.born, moves=moves)

    def _corrected_date(self, born: tuple[int, int, int], *, moves: bool) -> tuple[int, int, int]:
        """Completed, or mistyped in one part; of who stays, also day and month exchanged."""
        rng = self._rng
        day, month, year = born
        if not day:
            return rng.randint(1, 28), rng.randint(1, 12), year
        if not moves and day <= 12 and day != month:
            return month, day, year
        return rng.choice([(day % 28 + 1, month, year), (day, month % 12 + 1, year), (day, month, year - 1)])
