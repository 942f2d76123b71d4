"""What is true in the town of a history: who is on its lists, since which day and why, and when its commission met.

A clerk may only state what stands here.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from common.calendrier import is_mineur, majorite_on
from tests.oracle.generator import Chance, World
from tests.oracle.history import COMMUNES, LIBREVILLE, LISTES, Personne
from tests.oracle.product import reu_rows
from tests.unit.reu_sample import format_reu

_CHANGES = (
    *("arrive", "arrive", "arrive", "leave", "leave", "change_bureau", "change_bureau"),
    *("move", "spell", "come_back", "correct", "renumber", "close_bureau", "rewrite"),
)
_CAME = ("inscription_volontaire", "inscription_volontaire", "inscription_judiciaire")
_LEFT = ("radiation_deces", "radiation_autre_commune", "radiation_maire", "radiation_insee")


class Fact(NamedTuple):
    """A mouvement as the papers of the town hall tell it."""

    liste: str
    nature: str
    personne: Personne
    day: date
    categorie: str
    """Empty: the papers do not say why."""
    told_on: date
    """The day on which the paper that says why reaches the town hall."""


class Line(NamedTuple):
    """A mouvement as « Dates et motifs » shows it."""

    liste: str
    nature: str
    who: str
    """Birth name and first names."""
    born: str
    """AAAA-MM-JJ."""


@dataclass
class Town:
    """One commune, from its first export on. Its days pass by `live`."""

    random: Random
    day: date
    facts: list[Fact] = field(default_factory=list)
    met: list[date] = field(default_factory=list)
    """The meetings of the commission that were held."""

    def __post_init__(self) -> None:
        self.chance = Chance(self.random)
        self.world = World(self.chance)
        self.world.is_steady = True  # a corrected birthday crosses no majority
        is_overseas = self.chance.happens(0.25)
        others = [it for it in COMMUNES if it.code[:2] == "98"]
        self.commune = self.chance.pick(others) if is_overseas else LIBREVILLE
        self.previous = self.day - timedelta(days=self.chance.number(30, 300))
        """The last meeting of the commission before the history."""
        self.is_slow = self.chance.happens(0.2)
        """Whether some papers reach the town hall weeks later."""
        self.deposits = self.chance.happens(0.8)
        """Whether its préfecture still wants deposits."""
        self._same: dict[tuple[str, Personne], Personne] = {}
        for _ in range(self.chance.number(4, 20)):
            self.world.arrive("P", self.day)
        for _ in range(self.chance.number(0, 3)):
            self.world.arrive("CE", self.day)

    def live(self, day: date) -> None:
        """Let the days until `day` pass: people come, leave and move."""
        while self.day < day:
            self.day += timedelta(days=1)
            if self.chance.happens(0.2):
                self._change()

    def export(self) -> bytes:
        """Return the export of the REU of this day."""
        listes = {liste: tuple(lines) for liste, lines in self.world.listes.items() if lines}
        return format_reu(reu_rows(listes, self.commune)).encode()

    def find(self, line: Line, since: date, until: date) -> Fact | None:
        """Return the last mouvement of a person in an interval; None: the papers have none.

        A person who came as a minor is registered by the mairie on the eighteenth birthday.
        """
        named = [
            it.personne
            for it in self.facts
            if (it.liste, f"{it.personne.nom} {it.personne.prenoms}") == (line.liste, line.who)
            and it.personne.naissance == line.born
        ]
        origins = {self._origin(line.liste, it) for it in named}
        known = [
            self._of_age(it, until)
            for it in self.facts
            if (it.liste, it.nature) == (line.liste, line.nature)
            and self._origin(it.liste, it.personne) in origins
        ]
        known = [it for it in known if since <= it.day <= until]
        return next((it for it in reversed(known) if it.categorie), known[-1] if known else None)

    def is_same(self, liste: str, left: Personne, came: Personne) -> bool:
        """Whether the one who left the list and the one who came are one person, with another civil status."""
        return self._origin(liste, left) == self._origin(liste, came)

    def correct_in_reu(self, liste: str, who: str) -> None:
        """Correct the REU for a person of a list: who may not be on it leaves; of another the address changes."""
        lines = self.world.listes[liste]
        before = {it: self._persons(it) for it in LISTES}
        wrong = [it for it in lines if who in self._names(liste, it.personne)]
        if wrong and liste != "P" and wrong[0].nationalite in {"Suisse", "Française"}:
            lines.remove(wrong[0])
        elif lines:
            self.world.move(liste)
        self.facts += self._told(before, is_civil=False)

    @staticmethod
    def _of_age(fact: Fact, until: date) -> Fact:
        """Return the inscription of a minor as the mairie made it: on the eighteenth birthday, if that is known."""
        if fact.nature != "inscription" or not is_mineur(fact.personne.naissance, fact.day):
            return fact
        of_age = majorite_on(fact.personne.naissance)
        day = of_age if of_age and of_age <= until else fact.day
        return fact._replace(day=day, categorie="inscription_office")

    def _change(self) -> None:
        liste = self.chance.pick(("P", "P", "P", "CE", "CM"))
        act = self.chance.pick(_CHANGES)
        before = {it: self._persons(it) for it in LISTES}
        if act == "correct":
            self._correct(liste)
        else:
            getattr(self.world, act)(*((liste, self.day) if act == "arrive" else (liste,)))
        former, after = before[liste], self._persons(liste)
        if act in {"correct", "spell"}:
            self._same |= {
                (liste, new): old for old, new in zip(former - after, after - former, strict=True)
            }
        self.facts += self._told(before, is_civil=act in {"correct", "spell"})

    def _correct(self, liste: str) -> None:
        """Correct one part of the civil status of a person whose birthday is known to the day, once.

        The register recognises no more at a time, and no page says of two mouvements that they are one person's.
        """
        lines = self.world.listes[liste]
        counts = self._persons(liste)
        fit = [
            place
            for place, it in enumerate(lines)
            if counts[it.personne] == 1
            and "-00" not in it.personne.naissance
            and (liste, it.personne) not in self._same
        ]
        if fit:
            place = self.chance.pick(fit)
            one = lines[place].personne
            other_day = "17" if one.naissance.endswith("18") else "18"
            corrected = self.chance.pick(
                (
                    one._replace(nom=f"{one.nom[:8]}IX"),
                    one._replace(prenoms=f"{one.prenoms} Zzbaba"),
                    one._replace(naissance=f"{one.naissance[:8]}{other_day}"),
                )
            )
            lines[place] = lines[place]._replace(personne=corrected)

    def _told(self, before: dict[str, Counter[Personne]], *, is_civil: bool) -> Iterator[Fact]:
        for liste in LISTES:
            after = self._persons(liste)
            for nature, persons, why in (
                ("radiation", before[liste] - after, _LEFT),
                ("inscription", after - before[liste], _CAME),
            ):
                for personne in persons:
                    categorie = "" if is_civil else self.chance.pick(why)
                    told_on = self.day
                    if self.is_slow and self.chance.happens(0.3):
                        told_on += timedelta(days=self.chance.number(5, 25))
                    yield Fact(liste, nature, personne, self.day, categorie, told_on)

    def _persons(self, liste: str) -> Counter[Personne]:
        return Counter(it.personne for it in self.world.listes[liste])

    def _names(self, liste: str, personne: Personne) -> Iterator[str]:
        """Yield the names of a person, the last one first: a file names them as they were called then."""
        yield f"{personne.nom} {personne.prenoms}"
        while former := self._same.get((liste, personne)):
            personne = former
            yield f"{personne.nom} {personne.prenoms}"

    def _origin(self, liste: str, personne: Personne) -> Personne:
        while (liste, personne) in self._same:
            personne = self._same[liste, personne]
        return personne
