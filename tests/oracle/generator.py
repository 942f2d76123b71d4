"""Random histories: a commune of a few dozen electors, about a year, a clerk who leaves out some information."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import TypeVar

from schemas.vocabulary import CATEGORIES, Nature
from tests.oracle.comparing import compare
from tests.oracle.history import (
    COMMUNES,
    LIBREVILLE,
    LISTES,
    LYON,
    AskListe,
    AskTableau,
    Bring,
    Change,
    Complete,
    Decide,
    Edit,
    History,
    Import,
    Inscrit,
    Lines,
    Meeting,
    Personne,
    Poll,
    Redate,
    Step,
    Told,
    Undo,
)

_BEGINS = date(2026, 1, 5)
_BUREAUX = ("0001", "0002", "0003")
SYLLABLES = tuple(re.findall("..", "bacedifoguhajikalomunepirasotuvawixo"))
_ACCENTS = (("e", "é"), ("i", "î"), ("o", "ô"), ("u", "û"), ("a", "â"))
_HOUSES = ("1", "12 BIS", "7 TER", "")
_NATIONALITES = ("Belge", "Belge", "Italienne", "Allemande", "Suisse", "Française")
_CATEGORIES = {
    "inscription": (*(it.value for it in CATEGORIES[Nature.INSCRIPTION]), ""),
    "radiation": ("radiation_deces", "radiation_autre_commune", "radiation_judiciaire", ""),
    "modification": ("changement_bureau",),
}
_POLLS = ("Municipales 2026", "Européennes 2026", "Présidentielle 2026", "Référendum du 1er mai")
_TYPES = ("vingt_jours", "vingt_jours", "vingt_jours", "cinq_jours_reu")

_Value = TypeVar("_Value")


def build_history(random: Random) -> History:
    """One history; the same source of randomness gives the same one."""
    return _Clerk(Chance(random)).live()


class Chance:
    def __init__(self, random: Random) -> None:
        self._random = random

    def number(self, least: int, most: int) -> int:
        return self._random.randint(least, most)

    def happens(self, share: float) -> bool:
        return self._random.randint(0, 999) >= 1000 - round(share * 1000)

    def pick(self, values: Sequence[_Value]) -> _Value:
        return values[self._random.randint(0, len(values) - 1)]


@dataclass
class World:
    """The real commune; exports are snapshots of it."""

    chance: Chance
    listes: dict[str, list[Inscrit]] = field(
        default_factory=lambda: {liste: [] for liste in LISTES}
    )
    gone: dict[str, list[Inscrit]] = field(default_factory=lambda: {liste: [] for liste in LISTES})
    corrected: list[tuple[str, Personne, Personne]] = field(default_factory=list)
    born: int = 0
    numero: int = 0
    closed: set[str] = field(default_factory=set)
    """Lists that only another software has: no export contains them."""
    is_steady: bool = False
    """Whether no person comes of age, and no corrected birthday crosses the majority."""

    def arrive(self, liste: str, today: date) -> None:
        """Register a new person."""
        personne = self.somebody(today)
        nationalite = "Française" if liste == "P" else self.chance.pick(_NATIONALITES)
        self._inscribe(personne, liste, nationalite)
        if liste == "CE" and self.chance.happens(0.9):
            self._inscribe(personne, "CM", nationalite)

    def come_back(self, liste: str) -> None:
        """Register the same person again after their departure."""
        if self.gone[liste]:
            known = self.gone[liste].pop()
            self._inscribe(known.personne, liste, known.nationalite)

    def add_homonym(self, liste: str) -> None:
        """Register a person of the same name, born on the same day in the same commune."""
        if self.listes[liste]:
            known = self.chance.pick(self.listes[liste])
            personne = self._accent(known.personne) if self.chance.happens(0.2) else known.personne
            self._inscribe(personne, liste, known.nationalite)
            if self.chance.happens(0.2) and self.listes[liste][-1].personne == personne:
                self.listes[liste][-1] = self.listes[liste][-1]._replace(voie=known.voie)

    def leave(self, liste: str) -> None:
        """Remove a person; the general list keeps one."""
        if len(self.listes[liste]) > (liste == "P"):
            self.gone[liste].append(self.listes[liste].pop(self._place(liste)))

    def leave_all(self, liste: str) -> None:
        """Empty a complementary list."""
        if liste != "P":
            self.gone[liste] += self.listes[liste]
            self.listes[liste].clear()

    def change_bureau(self, liste: str) -> None:
        """Move a person to another bureau, with a new number."""
        if self.listes[liste]:
            self.numero += 1
            self._alter(liste, bureau=self.chance.pick(_BUREAUX), numero=self.numero)

    def move(self, liste: str) -> None:
        """Change a person's address in the same bureau."""
        if self.listes[liste]:
            self.numero += 1
            self._alter(liste, voie=self._voie("Chemin"))

    def spell(self, liste: str) -> None:
        """Add a missing accent to a name."""
        if self.listes[liste]:
            place = self._place(liste)
            known = self.listes[liste][place]
            personne = self._accent(known.personne)
            if [it.personne for it in self.listes[liste]].count(known.personne) == 1:
                self.listes[liste][place] = known._replace(personne=personne)

    def correct(self, liste: str) -> None:
        """Correct a person's civil status: the register takes them for another person."""
        place = self._place(liste) if self.listes[liste] else -1
        known = self.listes[liste][place] if place >= 0 else None
        if known and [it.personne for it in self.listes[liste]].count(known.personne) == 1:
            personne = known.personne
            kind = self.chance.number(0, 2 if self.is_steady else 5)
            if kind == 0:
                personne = personne._replace(
                    prenoms=f"{personne.prenoms.split()[0]} Zz{self._word(2)}"
                )
            elif kind == 1:
                personne = personne._replace(nom=f"{personne.nom[:8]}IX")
            elif kind == 2:
                personne = personne._replace(naissance=f"{personne.naissance[:5]}10-10")
            else:
                year = self.chance.pick(("1992", "2009"))
                personne = personne._replace(naissance=f"{year}{personne.naissance[4:]}")
            if personne != known.personne:
                self.listes[liste][place] = known._replace(personne=personne)
                self.corrected.append((liste, known.personne, personne))

    def scatter_homonyms(self, liste: str) -> None:
        """Move all people of one name to other addresses and bureaux, with new numbers: nothing tells them apart."""
        counts = Counter(it.personne for it in self.listes[liste])
        if not (homonyms := sorted(it for it, count in counts.items() if count > 1)):
            self.add_homonym(liste)
            return
        personne = self.chance.pick(homonyms)
        for place, known in enumerate(self.listes[liste]):
            if known.personne == personne:
                self.numero += 1
                bureau = self.chance.pick(_BUREAUX)
                self.listes[liste][place] = known._replace(
                    bureau=bureau, numero=self.numero, voie=self._voie("Place")
                )

    def renumber(self, liste: str) -> None:
        """Renumber all, in the order of their streets."""
        self.listes[liste].sort(key=lambda it: (it.voie, it.numero))
        for place, known in enumerate(self.listes[liste]):
            self.numero += 1
            self.listes[liste][place] = known._replace(numero=self.numero)

    def close_bureau(self, liste: str) -> None:
        """Move all people of a bureau to another one."""
        closed, other = self.chance.pick(_BUREAUX), self.chance.pick(_BUREAUX)
        lines = self.listes[liste]
        self.listes[liste] = [
            it._replace(bureau=other) if it.bureau == closed else it for it in lines
        ]

    def rewrite(self, liste: str) -> None:
        """Change the spelling of the commune's streets."""
        self.listes[liste] = [
            it._replace(voie=it.voie.replace("Rue", "R.")) for it in self.listes[liste]
        ]

    def _alter(self, liste: str, **changes: str | int) -> None:
        place = self._place(liste)
        self.listes[liste][place] = self.listes[liste][place]._replace(**changes)  # type: ignore[arg-type]

    def _place(self, liste: str) -> int:
        return self.chance.number(0, len(self.listes[liste]) - 1)

    def _inscribe(self, personne: Personne, liste: str, nationalite: str) -> None:
        if liste in self.closed:
            return
        self.numero += 1
        usage = self._usage(personne) if self.chance.happens(0.2) else ""
        place = self.chance.pick(_BUREAUX), self.numero, self._voie("Rue")
        self.listes[liste].append(Inscrit(personne, *place, usage, nationalite))

    def _voie(self, kind: str) -> str:
        return f"{self.chance.pick(_HOUSES)} {kind} {self._word(2)} {self.numero}".strip()

    def _accent(self, personne: Personne) -> Personne:
        return personne._replace(prenoms=personne.prenoms.replace(*self.chance.pick(_ACCENTS), 1))

    def _usage(self, personne: Personne) -> str:
        return (
            personne.nom
            if self.chance.happens(0.1)
            else f"ZZ{self._word(2).upper()}-{personne.nom}"
        )

    def somebody(self, today: date) -> Personne:
        self.born += 1
        birthplace = "BRUXELLES" if self.chance.happens(0.1) else "MARSEILLE"
        return Personne(
            f"ZZ{self._word(2).upper()}", self._word(3).capitalize(), self._birth(today), birthplace
        )

    def _word(self, syllables: int) -> str:
        number, word = self.born, ""
        for _ in range(syllables):
            number, place = divmod(number, len(SYLLABLES))
            word += SYLLABLES[place]
        return word

    def _birth(self, today: date) -> str:
        kind = self.chance.number(0, 19)
        if kind < 13:
            return (date(1930, 1, 1) + timedelta(days=self.chance.number(0, 27_000))).isoformat()
        if self.is_steady:
            return f"{self.chance.pick((1990, 2009))}-{self.chance.number(7, 12):02}-00"
        if kind == 13:
            return f"{self.chance.number(1930, 2000)}-00-00"
        if kind == 14:
            return f"{self.chance.number(1990, 2008)}-{self.chance.number(1, 12):02}-00"
        if kind == 15:
            return "2008-02-29"
        of_age = today + timedelta(days=self.chance.number(-30, 300))
        return f"{of_age.year - 18}-{of_age:%m-%d}"


_OFTEN = ("arrive", "leave", "change_bureau", "correct", "scatter_homonyms")
_SELDOM = (
    "move",
    "spell",
    "come_back",
    "add_homonym",
    "renumber",
    "leave_all",
    "close_bureau",
    "rewrite",
)
_CHANGES = ("arrive", *_OFTEN, *_OFTEN, *_SELDOM)


def _only(listes: Mapping[str, Lines], part: str) -> dict[str, Lines]:
    """The part of the lists in the export of an arrondissement; all of it without one."""
    of = LYON.arrondissements
    kept = {
        liste: tuple(it for it in lines if part in ("", of[it.bureau]))
        for liste, lines in listes.items()
    }
    return {liste: lines for liste, lines in kept.items() if lines}


def _sunday(day: date) -> date:
    """The first Sunday on or after a day: the French vote on Sundays (L. 55)."""
    return day + timedelta(days=6 - day.weekday())


class _Clerk:
    """A clerk who takes exports, imports them, and requests files."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance
        self.world = World(chance)
        self.today = _BEGINS
        self.steps: list[Step] = []
        self.links: list[date] = []
        """The days of the exports that were imported, as they are said to be."""
        self.exports: list[dict[str, Lines]] = []
        self.brought: list[Bring] = []
        self.is_bringing = chance.happens(0.35)
        """Whether she knows mouvements from elsewhere."""
        self.world.is_steady = self.is_bringing
        self.meetings: list[date] = []
        self.known: set[str] = set()
        self.standing = -1
        self.scrutin: date | None = None

    def live(self) -> History:
        """All the clerk's steps."""
        for _ in range(self.chance.number(3, 30)):
            self.world.arrive("P", self.today)
        for _ in range(self.chance.number(0, 4)):
            self.world.arrive("CE", self.today)
        self._import()
        if self.chance.happens(0.6):
            self.scrutin = _sunday(self.today + timedelta(days=self.chance.number(10, 150)))
            self.steps.append(Poll(self.today, self.scrutin, self.chance.pick(_POLLS)))
        acts = (
            (self._import, 6),
            (self._ask_tableau, 5),
            (self._ask_liste, 1),
            (self._meet, 3),
            (self._redate, 1),
            (self._undo, 1),
            (self._decide, 1),
            (self._bring, 5 * self.is_bringing),
            (self._complete, 4),
            (self._edit, 1),
        )
        choice = [act for act, weight in acts for _ in range(weight)]
        for _ in range(self.chance.number(2, 8)):
            self._pass_time(0, 25)
            self.chance.pick(choice)()
        self._ask_tableau()
        self._ask_liste()
        if self.chance.happens(0.3):
            self._ask_again()
        commune = self.chance.pick(COMMUNES) if self.chance.happens(0.3) else LIBREVILLE
        return History(tuple(self._by_arrondissement() if commune is LYON else self.steps), commune)

    def _by_arrondissement(self) -> Iterator[Step]:
        """Some exports contain one arrondissement only. Only exports change a list then."""
        parts = sorted({*LYON.arrondissements.values()})
        former, part = None, ""
        for step in self.steps:
            if isinstance(step, Import):
                if step.listes != former:
                    former, part = (
                        step.listes,
                        self.chance.pick(parts) if self.chance.happens(0.5) else "",
                    )
                yield replace(step, listes=_only(step.listes, part), emptied=())
            elif not isinstance(step, (Bring, Complete, Edit, Redate)):
                yield step

    def _pass_time(self, least: int, most: int) -> None:
        self.today += timedelta(days=self.chance.number(least, most))

    def _import(self) -> None:
        for _ in range(self.chance.number(0, 5)):
            liste = self.chance.pick(("P", "P", "P", "P", "CE", "CM"))
            change = self.chance.pick(_CHANGES)
            arguments = (liste, self.today) if change == "arrive" else (liste,)
            getattr(self.world, change)(*arguments)
        taken = self.today
        self._pass_time(0, 0 if self.chance.happens(0.6) else 6)
        said = None if self.chance.happens(0.15) else taken
        if said and self.links and self.chance.happens(0.05):
            said = self.links[-1] - timedelta(days=self.chance.number(1, 9))
        listes = {liste: tuple(lines) for liste, lines in self.world.listes.items() if lines}
        absent = sorted(self.known - set(listes))
        emptied = tuple(liste for liste in absent if self.chance.happens(0.6))
        is_compared = not self.chance.happens(0.4 if self.is_bringing else 0.08)
        for is_accepted in (True,) if self.chance.happens(0.6) else (False, True):
            self.steps.append(Import(self.today, listes, said, is_compared, emptied, is_accepted))
            self.links.append(said or self.today)
            self.exports.append(listes)
        self.known |= set(listes)
        self.standing = len(self.links) - 1
        if self.world.corrected and self.chance.happens(0.5):
            self._decide()
        if not is_compared and self.is_bringing and self.chance.happens(0.8):
            self._bring()

    def _bring(self) -> None:
        """The mouvements between two exports as another software has them: all of them, fewer, or more."""
        if self.brought and self.chance.happens(0.15):
            known = self.chance.pick(self.brought)
            self.steps.append(
                replace(known, day=self.today, complete_until=min(self.today, self._some_day()))
            )
            return
        absent = [
            liste
            for liste in LISTES[1:]
            if liste not in self.known and not self.world.listes[liste]
        ]
        liste = self.chance.pick((*LISTES, "P", "P", *absent))
        latest = len(self.exports) - 1
        place = (
            max(1, latest) if self.chance.happens(0.7) else self.chance.number(1, max(1, latest))
        )
        if liste in absent:
            lines = [
                self._tell("inscription", self.links[0], self.today)
                for _ in range(self.chance.number(1, 3))
            ]
            self.world.closed.add(liste)
        elif place <= latest:
            days = self.links[place - 1], self.links[place]
            before, after = (self.exports[it].get(liste, ()) for it in (place - 1, place))
            changes = [
                self._say_why(it)
                for it in compare(before, after).changes
                if it.personne.naissance < "2009"
            ]
            lines = [Told(change, self._day_between(*days)) for change in changes]
            if lines and self.chance.happens(0.3):
                lines.pop(self.chance.number(0, len(lines) - 1))
            if not lines or self.chance.happens(0.2):
                lines.append(self._tell("inscription", *days))
        else:
            return
        half = len(lines) // 2 if self.chance.happens(0.3) else 0
        for part in (lines[half:], lines[:half]):
            if part:
                self._bring_lines(liste, tuple(part), is_applied=liste not in absent)
        if liste not in absent and self.chance.happens(0.7):
            self.steps.append(
                AskTableau(self.today, liste, "vingt_jours", *self._some_period(place))
            )

    def _some_period(self, place: int) -> tuple[date, date]:
        """A period between two exports, or nearly."""
        first, last = sorted((self.links[place - 1], self.links[place]))
        return min(first, last - timedelta(days=1)), last - timedelta(
            days=self.chance.number(0, 2) // 2 * (last > first)
        )

    def _bring_lines(self, liste: str, lines: tuple[Told, ...], *, is_applied: bool) -> None:
        until = (
            None
            if self.chance.happens(0.2)
            else self._some_day()
            if self.chance.happens(0.25)
            else self.links[-1]
        )
        step = Bring(
            self.today, liste, lines, min(until, self.today) if until else None, is_applied
        )
        self.brought.append(step)
        self.steps.append(step)

    def _tell(self, nature: str, first: date, last: date) -> Told:
        personne = self.world.somebody(self.today)
        bureaux = sorted({it.bureau for lines in self.exports[0].values() for it in lines})
        inscrit = Inscrit(personne, self.chance.pick(bureaux), 7, "1 Rue du Bac")
        change = Change(nature, personne, "", inscrit.bureau, inscrit)
        return Told(self._say_why(change), self._day_between(first, last))

    def _say_why(self, change: Change) -> Change:
        return change._replace(categorie=self.chance.pick(_CATEGORIES[change.nature]))

    def _day_between(self, first: date, last: date) -> date:
        """A day between the two in most cases, else one of them."""
        days = (last - first).days
        edge = 0 if self.chance.happens(0.2) else 1
        return first + timedelta(days=self.chance.number(edge, days - edge) if days > edge else 0)

    def _meet(self) -> None:
        held_on = self.today - timedelta(days=self.chance.number(0, 3))
        self.meetings.append(held_on)
        self.steps.append(Meeting(self.today, held_on))
        if self.chance.happens(0.7):
            self._import()

    def _redate(self) -> None:
        place = self.chance.number(0, len(self.links) - 1)
        taken_on = min(self.today, self.links[place] - timedelta(days=self.chance.number(-8, 8)))
        self.links[place] = taken_on
        self.steps.append(Redate(self.today, place, taken_on))

    def _undo(self) -> None:
        """Undo the last import, or the one before it when that one is undone; seldom another one."""
        place = self.chance.number(0, self.standing) if self.chance.happens(0.2) else self.standing
        if self.standing > 0:
            self.steps.append(Undo(self.today, place))
            self.standing -= place == self.standing

    def _decide(self) -> None:
        if self.world.corrected:
            latest = len(self.world.corrected) - 1
            place = latest if self.chance.happens(0.6) else self.chance.number(0, latest)
            liste, left, came = self.world.corrected[place]
            self.steps.append(Decide(self.today, liste, left, came, self.chance.happens(0.75)))

    def _complete(self) -> None:
        """Enter day and category of mouvements between two exports, mostly the last ones."""
        place = (
            len(self.exports) - 1
            if self.chance.happens(0.7)
            else self.chance.number(0, len(self.exports) - 1)
        )
        liste = self.chance.pick(("P", "P", "P", "CE"))
        before, after = (self.exports[it].get(liste, ()) for it in (max(0, place - 1), place))
        changes = [it for it in compare(before, after).changes if it.nature != "modification"]
        for change in changes[: self.chance.number(1, 3)]:
            jour = self.links[place] - timedelta(days=self.chance.number(0, 9))
            categorie = self.chance.pick([it for it in _CATEGORIES[change.nature] if it])
            said = categorie, jour if self.chance.happens(0.7) else None
            self.steps.append(Complete(self.today, liste, change.nature, change.personne, *said))

    def _edit(self) -> None:
        liste = self.chance.pick(("P", "P", "CE"))
        if lines := self.exports[-1].get(liste):
            self.steps.append(Edit(self.today, liste, self.chance.pick(lines).personne))

    def _ask_again(self) -> None:
        """Import once more, then request again tableaux whose period was over."""
        asked = [
            it
            for it in self.steps
            if isinstance(it, AskTableau) and (it.scrutin or it.until or it.day) < it.day
        ]
        self._pass_time(1, 40)
        self._import()
        self.steps += [replace(step, again=self.today) for step in asked[-2:]]

    def _ask_liste(self) -> None:
        liste = self.chance.pick(("P", "P", "CE", "CM"))
        self.steps.append(AskListe(self.today, liste, self.chance.happens(0.2)))

    def _ask_tableau(self) -> None:
        liste = self.chance.pick(("P", "P", "P", *LISTES, *sorted(self.known)))
        type_ = self.chance.pick(_TYPES)
        is_interrupted = self.chance.happens(0.1)
        until, reunion = self._some_day(), self._some_day()
        if reunion > until:
            until, reunion = reunion, until
        if reunion == until:
            reunion = until - timedelta(days=self.chance.number(1, 60))
        scrutin = None
        if self.scrutin and (type_ == "cinq_jours_reu" or self.chance.happens(0.4)):
            scrutin = self.scrutin
        elif type_ == "cinq_jours_reu" or (not self.scrutin and self.chance.happens(0.1)):
            scrutin = _sunday(until + timedelta(days=5 if type_ == "cinq_jours_reu" else 20))
        before = None if self.meetings and self.chance.happens(0.3) else reunion
        self.steps.append(
            AskTableau(
                self.today,
                liste,
                type_,
                before,
                None if scrutin else until,
                scrutin,
                is_interrupted,
            )
        )

    def _some_day(self) -> date:
        """A day that matters, or one beside it; seldom one in the future."""
        kind = self.chance.number(0, 9)
        if kind < 7:
            return self.chance.pick(self.links)
        if kind < 8 and self.meetings:
            return self.chance.pick(self.meetings)
        if kind < 9:
            return self.chance.pick(self.links) + timedelta(days=self.chance.number(-3, 3))
        return self.today + timedelta(days=self.chance.number(-60, 20))
