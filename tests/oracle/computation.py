"""What each file of a history must say, from the specification alone: no code of worker/, and nothing read from there.

Sources: Code électoral, art. L. 11, L. 19, L. 20, L. 30, L. 31, R. 13, R. 14; the register's and the tableaux'
specifications. Days are those that the register was told; nothing here knows when an export was really taken.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise, zip_longest
from typing import NamedTuple
from unicodedata import normalize

from tests.oracle.history import (
    AskListe,
    AskTableau,
    Decide,
    History,
    Import,
    Inscrit,
    Lines,
    Meeting,
    Personne,
    Poll,
    Redate,
    Step,
    Undo,
)

DAYS_TO_SECOND_ROUND = {"Municipales": 7, "Présidentielle": 14}
"""By the first word of a poll's name: Code électoral, art. L. 56; Constitution, art. 7. Others have one round."""

_Key = Callable[[Inscrit], Hashable]


class Figures(NamedTuple):
    """The balance of a bureau, or of the commune."""

    avant: int = 0
    inscriptions: int = 0
    arrivees: int = 0
    radiations: int = 0
    departs: int = 0
    apres: int = 0

    @property
    def is_even(self) -> bool:
        """Whether before and what came and left make after."""
        came, left = self.inscriptions + self.arrivees, self.radiations + self.departs
        return self.avant + came - left == self.apres


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
    figures: Mapping[str, Figures]
    """By bureau; bureaux where there is nothing and nobody may be missing. `""` is the commune."""


Answer = Done | Refused | Liste | Tableau | None


class Ages(NamedTuple):
    """A period ]start, end], and the days on which age counts for its first number of electors and for its last one."""

    start: date
    end: date
    first: date
    last: date


class Change(NamedTuple):
    """A mouvement that a comparison finds."""

    nature: str
    personne: Personne
    ancien: str
    nouveau: str


@dataclass
class Link:
    """An export in the chain of a list."""

    number: int
    day: date
    is_compared: bool
    before: Lines | None
    """What the register showed; None: no such list."""
    lines: Lines
    is_told: bool = True
    """Whether somebody said that day; else it is the day of the import."""
    answers: dict[tuple[Personne, Personne], bool] = field(default_factory=dict)
    """Doubts that were answered: whether who left and who came are one."""

    @cached_property
    def compared(self) -> list[Change]:
        """What differs from what the register showed."""
        return compare(self.before, self.lines) if self.is_compared and self.before is not None else []

    @cached_property
    def doubts(self) -> set[tuple[Inscrit, Inscrit]]:
        """Who left and who came, and may be one person whose civil status was corrected."""
        left = Counter(it.personne for it in self.compared if it.nature == "radiation")
        came = Counter(it.personne for it in self.compared if it.nature == "inscription")
        return {
            (old, new)
            for old in self.before or ()
            if left[old.personne]
            for new in self.lines
            if came[new.personne] and is_doubtful(old, new)
        }

    @property
    def open_doubts(self) -> list[tuple[Personne, Personne]]:
        """Those that nobody has answered."""
        pairs = {(old.personne, new.personne) for old, new in self.doubts}
        merged = {personne for pair, is_same in self.answers.items() if is_same for personne in pair}
        return [pair for pair in pairs if pair not in self.answers and not merged & {*pair}]

    @property
    def changes(self) -> list[Change]:
        """The mouvements that it brought: none of who is one person, but a change of bureau."""
        changes = list(self.compared)
        for (old, new), is_same in self.answers.items():
            if is_same:
                left = next(it for it in changes if it.nature == "radiation" and it.personne == old)
                came = next(it for it in changes if it.nature == "inscription" and it.personne == new)
                changes = [it for it in changes if it not in (left, came)]
                if left.ancien != came.nouveau:
                    changes.append(Change("modification", new, left.ancien, came.nouveau))
        return changes


@dataclass
class Oracle:
    """What is known of the commune so far, and the rules; a fault overrides one of these."""

    chains: dict[str, list[Link]] = field(default_factory=dict)
    meetings: list[date] = field(default_factory=list)
    rounds: dict[date, date] = field(default_factory=dict)
    """Polls, each with the day of its last round."""
    imports: list[tuple[Import, bool] | None] = field(default_factory=list)
    """Each import of the history and whether it stands; None: it was refused, or changed nothing."""

    def answer(self, history: History) -> list[Answer]:
        """What each step must be answered; None: nothing is to be compared."""
        return [self._take(step) for step in history.steps]

    def _take(self, step: Step) -> Answer:  # noqa: PLR0911 — a kind of step each
        match step:
            case Import():
                return self._import(step)
            case Redate():
                return self._redate(step)
            case Undo():
                return self._undo(step)
            case Meeting():
                self.meetings.append(step.held_on)
            case Poll():
                later = DAYS_TO_SECOND_ROUND.get(step.libelle.split()[0], 0)
                self.rounds[step.held_on] = step.held_on + timedelta(days=later)
            case Decide():
                return self._decide(step)
            case AskListe():
                return self._liste(step)
            case AskTableau():
                return self._tableau(step)
        return None

    # Imports: each is a link of the chain of every list that it holds.

    def _import(self, step: Import) -> Answer:
        self.imports.append(None)
        day = step.taken_on or step.day
        new = dict(step.listes) | dict.fromkeys(step.emptied, ())
        last = [chain[-1] for liste in new if (chain := self.chains.get(liste))]
        if not any(new.values()) and not step.emptied:
            return Refused()
        if self._is_the_same(step):
            return Done(is_unchanged=True)
        if any(link.day > day for link in last):
            return Refused()
        self.imports[-1] = (step, True)
        counts: Counter[str] = Counter()
        for liste, lines in new.items():
            chain = self.chains.setdefault(liste, [])
            before = chain[-1].lines if chain else None
            is_told = step.taken_on is not None
            chain.append(Link(len(self.imports) - 1, day, step.is_compared, before, lines, is_told))
            counts.update(change.nature for change in chain[-1].changes)
        return Done(counts["inscription"], counts["radiation"], counts["modification"])

    def _is_the_same(self, step: Import) -> bool:
        """« Importing the same file twice changes nothing », while all its lists are those of that import.

        Unless it is said to have been taken later: then nothing had changed until that day, and the chain is longer.
        """
        for number, known in enumerate(self.imports):
            if known and known[1] and known[0].listes == step.listes and not step.emptied:
                shown = [self.chains[liste][-1] for liste in step.listes]
                is_later = step.taken_on and step.taken_on > shown[0].day
                if all(link.number == number for link in shown) and not is_later:
                    return True
        return False

    def _redate(self, step: Redate) -> Answer:
        known = self.imports[step.link]
        if known is None:
            return None
        if not known[1]:
            return Refused()
        chains = [chain for chain in self.chains.values() if any(link.number == step.link for link in chain)]
        before = [link.day for chain in chains for link in chain if link.number < step.link]
        after = [link.day for chain in chains for link in chain if link.number > step.link]
        if any(day > step.taken_on for day in before) or any(day < step.taken_on for day in after):
            return Refused()
        for link in (link for chain in chains for link in chain if link.number == step.link):
            self.move(link, step.taken_on)
        return Done()

    def move(self, link: Link, day: date) -> None:
        """The mouvements of an export follow its day."""
        link.day, link.is_told = day, True

    def _undo(self, step: Undo) -> Answer:
        known = self.imports[step.link]
        if known is None:
            return None
        chains = [chain for chain in self.chains.values() if any(link.number == step.link for link in chain)]
        if not known[1] or any(chain[-1].number != step.link for chain in chains):
            return Refused()
        self.imports[step.link] = (known[0], False)
        for chain in chains:
            self.take_back(chain)
        self.chains = {liste: chain for liste, chain in self.chains.items() if chain}
        return Done()

    def take_back(self, chain: list[Link]) -> None:
        """The list is again what it was."""
        chain.pop()

    # Corrections are no departures.

    def _decide(self, step: Decide) -> Answer:
        for link in self.chains.get(step.liste, []):
            if (step.left, step.came) in link.open_doubts:
                link.answers[step.left, step.came] = step.is_same
                return Done()
        return Refused()

    # The list file.

    def _liste(self, step: AskListe) -> Answer:
        if not self.knows(step.liste):
            return Refused()
        chain = self.chains.get(step.liste)
        everybody = chain[-1].lines if chain else ()
        electeurs = [it for it in everybody if self.is_of_age(it.personne, step.day)]
        return Liste(Counter(it._replace(numero=0, voie="") for it in electeurs), len(everybody) - len(electeurs))

    def knows(self, liste: str) -> bool:
        """Whether a list can be asked for: a complementary one that no export has is an empty one."""
        return liste in self.chains or (liste != "P" and bool(self.chains))

    def majority(self, personne: Personne) -> date:
        """The day somebody is eighteen: L. 2, L. 11. Of a partial date, that of the oldest possible day.

        Born on 29 February: the 28th has not made the years full, so it is 1 March (Code civil, art. 388 and 414).
        """
        year, month, day = (int(part) or 1 for part in personne.naissance.split("-"))
        try:
            return date(year + 18, month, day)
        except ValueError:
            return date(year + 18, 3, 1)

    def is_of_age(self, personne: Personne, day: date) -> bool:
        """Whether somebody who is on the list is an elector on that day."""
        return self.majority(personne) <= day

    # The tableaux since 2019.

    def _tableau(self, step: AskTableau) -> Answer:
        chain = self.chains.get(step.liste, [])
        period = self.period(step)
        if not self.knows(step.liste) or not period:
            return Refused()
        start, last = period
        is_provisional = self.is_to_come(step, last)
        rounds = self.rounds | ({step.scrutin: self.rounds.get(step.scrutin, step.scrutin)} if step.scrutin else {})
        of_poll = rounds[step.scrutin] if step.scrutin else None
        ages = Ages(
            start,
            last,
            (of_poll if step.type == "cinq_jours_reu" else None) or self.age_day(start, rounds),
            of_poll or self.age_day(last, rounds),
        )
        mouvements = [
            change
            for link in chain
            for change in link.changes
            if self.is_between(link.day, start, last) and self.counts(change, link.day, ages)
        ] + self.coming_of_age(chain, ages)
        gaps = set(self.gaps(chain, start, last, is_provisional=is_provisional)) if chain else set()
        if any(self.asked_about(link, start, last, ages) for link in chain):
            gaps.add("doutes_ouverts")
        lines = Counter(line for change in mouvements for line in self.lines_of(change))
        return Tableau(
            first=start + timedelta(days=1),
            last=last,
            gaps=frozenset(gaps),
            is_provisional=is_provisional,
            lines=lines,
            mouvements=len(mouvements),
            figures=self.figures(chain, mouvements, ages),
        )

    def age_day(self, day: date, rounds: Mapping[date, date]) -> date:
        """The day on which age counts for an elector of `day`: L. 11 II 1°.

        From the first day on which the commission may meet about a poll until its last round, that round; else the day.
        """
        lasting = [last for poll, last in rounds.items() if poll - timedelta(days=24) <= day <= last]
        return max(lasting, default=day)

    def period(self, step: AskTableau) -> tuple[date, date] | None:
        """The meeting before, excluded, and the last day, included; None: the register does not know them.

        Art. R. 13: since the last meeting, to that for the poll, which is held between the 24th and the 21st day before
        it (L. 19); the 20th where nobody declared one. Art. R. 14: since that day, to the fifth before the poll.
        """
        start: date | None = None
        last: date | None = None
        due = (self.meeting_of(step.scrutin) or step.scrutin - timedelta(days=20)) if step.scrutin else None
        if step.scrutin and step.type == "cinq_jours_reu":
            start, last = step.reunion or due, step.scrutin - timedelta(days=5)
        elif last := step.until or due:
            start = step.reunion or max((it for it in self.meetings if it < last), default=None)
        if start and step.scrutin and step.type == "vingt_jours" and start >= step.scrutin - timedelta(days=24):
            # The meeting for the poll, where mouvements end, and not the one before it.
            return None
        return (start, last) if start and last and start < last else None

    def meeting_of(self, scrutin: date) -> date | None:
        """The meeting for a poll."""
        days = [it for it in self.meetings if scrutin - timedelta(days=24) <= it <= scrutin - timedelta(days=21)]
        return max(days, default=None)

    def is_to_come(self, step: AskTableau, last: date) -> bool:
        """Whether the day of a tableau has not come: that after the meeting, the 20th or the 5th before the poll."""
        is_of_meeting = step.until or (step.scrutin and self.meeting_of(step.scrutin))
        return last >= step.day if step.type == "vingt_jours" and is_of_meeting else last > step.day

    def is_between(self, day: date, start: date, last: date) -> bool:
        """Whether a day counts: the meeting's own day belongs to the tableau before."""
        return start < day <= last

    def begins_to_count(self, personne: Personne, ages: Ages) -> date:
        """From which day on somebody on the list is an elector, as the tableau of a period sees it.

        The birthday. Before the period, if the age of its first day is that of a poll which she has; at its end, if she
        comes of age later, and for the poll of its last day.
        """
        majority = self.majority(personne)
        if majority <= ages.first:
            return date.min
        return majority if majority <= ages.end else ages.end if majority <= ages.last else date.max

    def counts(self, change: Change, day: date, ages: Ages) -> bool:
        """Whether a mouvement is an elector's; that of a minor is nobody's business before she is of age."""
        since = self.begins_to_count(change.personne, ages)
        return since <= day if change.nature == "inscription" else since < day

    def coming_of_age(self, chain: Sequence[Link], ages: Ages) -> list[Change]:
        """Who was entered in advance, and becomes an elector in the period: inscribed d'office."""
        found: list[Change] = []
        for link, following in zip_longest(chain, chain[1:]):
            entered = Counter(it.personne for it in link.changes if it.nature == "inscription")
            for inscrit in link.lines:
                since = self.begins_to_count(inscrit.personne, ages)
                is_shown = link.day <= since and (following is None or since < following.day)
                is_new = since == link.day and entered[inscrit.personne]
                if is_shown and not is_new and self.is_between(since, ages.start, ages.end):
                    found.append(Change("inscription", inscrit.personne, "", inscrit.bureau))
        return found

    def lines_of(self, change: Change) -> list[Line]:
        """Where somebody is named: who changes bureau comes into one and leaves the other."""
        came = [Line("I", change.nouveau, change.personne)] if change.nouveau else []
        left = [Line("II", change.ancien, change.personne)] if change.ancien else []
        return came + left

    def figures(self, chain: Sequence[Link], mouvements: Sequence[Change], ages: Ages) -> dict[str, Figures]:
        """Electors before and after, from what the exports show; what came and left, from the mouvements."""
        before, after = self.count(chain, ages.start, ages.first), self.count(chain, ages.end, ages.last)
        natures = Counter((it.nature, "I", it.nouveau) for it in mouvements)
        natures += Counter((it.nature, "II", it.ancien) for it in mouvements)
        bureaux = {bureau for _, _, bureau in natures if bureau} | set(before) | set(after)
        figures = {
            bureau: Figures(
                before[bureau],
                natures["inscription", "I", bureau],
                natures["modification", "I", bureau],
                natures["radiation", "II", bureau],
                natures["modification", "II", bureau],
                after[bureau],
            )
            for bureau in bureaux
        }
        totals = [sum(column) for column in zip(*figures.values(), strict=True)] or [0] * 6
        return figures | {"": Figures(*totals)}

    def count(self, chain: Sequence[Link], day: date, age_day: date) -> Counter[str]:
        """Electors of each bureau at the end of a day, as far as the exports until then tell."""
        known = [link for link in chain if link.day <= day]
        everybody = known[-1].lines if known else ()
        return Counter(it.bureau for it in everybody if self.is_of_age(it.personne, age_day))

    # Coverage: what the chain tells of a period.

    def gaps(self, chain: Sequence[Link], start: date, last: date, *, is_provisional: bool) -> Iterable[str]:
        """Why the period ]start, last] is not covered by the chain.

        Electors are counted back from what the register shows now: an export after the period that was not compared
        leaves no balance to be trusted either.
        """
        if not self.begins(chain, start):
            yield "couverture_debut"
        if not is_provisional and not self.ends(chain, last):
            yield "couverture_fin"
        first = max((place for place, link in enumerate(chain) if link.day <= start), default=0)
        if not all(self.bridges(link) for link in chain[first + 1 :]):
            yield "couverture_lacune"
        for former, link in pairwise(chain):
            if former.day < last < link.day and link.changes:
                yield "couverture_date"
        if not is_provisional and not self.is_told(chain, last):
            yield "couverture_date"

    def asked_about(self, link: Link, start: date, last: date, ages: Ages) -> bool:
        """Whether one of the mouvements of the tableau is of a doubt that is open."""
        shown = [it.personne for it in link.changes if self.counts(it, link.day, ages)]
        return self.is_between(link.day, start, last) and any({*pair} & {*shown} for pair in link.open_doubts)

    def begins(self, chain: Sequence[Link], start: date) -> bool:
        """Whether an export was taken on the day of the meeting or before."""
        return chain[0].day <= start

    def ends(self, chain: Sequence[Link], last: date) -> bool:
        """Whether an export was taken on the last day or later."""
        return chain[-1].day >= last

    def is_told(self, chain: Sequence[Link], last: date) -> bool:
        """Whether somebody said that the export that ends the period was taken on its last day or later."""
        return next((link.is_told for link in chain if link.day >= last), True)

    def bridges(self, link: Link) -> bool:
        """Whether an export was compared with the one before it."""
        return link.is_compared


def compare(before: Lines, after: Lines) -> list[Change]:
    """Who came, who left, who votes in another bureau: electors are known by their identity key.

    A key that differs by accents, capitals, hyphens or apostrophes only is the same elector.
    """
    old, new = list(before), list(after)
    pairs = _pair(old, new, lambda it: it.personne)
    pairs += _pair(old, new, lambda it: plain(it.personne))
    moved = [
        Change("modification", there.personne, here.bureau, there.bureau)
        for here, there in pairs
        if here.bureau != there.bureau
    ]
    came = [Change("inscription", it.personne, "", it.bureau) for it in new]
    left = [Change("radiation", it.personne, it.bureau, "") for it in old]
    return moved + came + left


def is_doubtful(left: Inscrit, came: Inscrit) -> bool:
    """Whether somebody who left and somebody who came share enough to be asked about."""
    old, new = plain(left.personne), plain(came.personne)
    has_first_name = bool({*old.prenoms.split()} & {*new.prenoms.split()})
    has_birthday = old.naissance == new.naissance
    if (left.bureau, left.numero) == (came.bureau, came.numero):
        return has_first_name or has_birthday
    if left.voie == came.voie:
        return (old.nom == new.nom and (has_first_name or has_birthday)) or (
            old.prenoms == new.prenoms and has_birthday
        )
    return False


def _pair(old: list[Inscrit], new: list[Inscrit], key: "_Key") -> list[tuple[Inscrit, Inscrit]]:
    """Take out of both who are in both; homonyms by address and place first, at last in the order of their numbers."""
    pairs = []
    for same in (
        lambda it: (key(it), it.voie, it.bureau, it.numero),
        lambda it: (key(it), it.voie, it.bureau),
        lambda it: (key(it), it.voie),
        lambda it: (key(it), it.bureau, it.numero),
        key,
    ):
        for here in sorted(old, key=lambda it: it.numero):
            there = min((it for it in new if same(it) == same(here)), key=lambda it: it.numero, default=None)
            if there:
                old.remove(here)
                new.remove(there)
                pairs.append((here, there))
    return pairs


def plain(personne: Personne) -> Personne:
    """Without what two spellings of one name differ by: accents, capitals, hyphens, apostrophes."""
    return Personne(*(_letters(value) for value in personne))


def _letters(value: str) -> str:
    bare = "".join(it for it in normalize("NFD", value) if it.isascii())
    return " ".join(bare.upper().replace("-", " ").replace("'", " ").split()) if not value[:1].isdigit() else value
