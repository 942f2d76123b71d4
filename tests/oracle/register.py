"""The inputs of the register for each list: exports, each a link of a chain, and files of mouvements."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from itertools import pairwise

from tests.oracle.comparing import Comparison, compare, is_doubtful, plain
from tests.oracle.history import (
    LIBREVILLE,
    Answer,
    Bring,
    Change,
    Commune,
    Complete,
    Decide,
    Done,
    Edit,
    Import,
    Inscrit,
    Lines,
    Personne,
    Redate,
    Refused,
    Told,
    Undo,
)

MANY = 0.2
LEAST = 5
"""Number of electors: fewer leave or change together by chance."""
_FIELDS = ("bureau", "voie", "usage", "nationalite")
"""Fields of an elector that an export may change without another identity."""


@dataclass
class Link:
    """An export in the chain of a list."""

    number: int
    day: date
    is_compared: bool
    before: Lines | None
    """The list in the register before; None: no such list."""
    lines: Lines
    """The list in the export."""
    is_told: bool = True
    """Whether the day is declared; else it is the day of the import."""
    answers: dict[tuple[Personne, Personne], bool] = field(default_factory=dict)
    """Resolved doubts: whether the departure and the arrival are one person."""
    gone: list[Personne] = field(default_factory=list)
    """People deleted since by SQL."""
    said: dict[tuple[object, ...], tuple[str, date | None]] = field(default_factory=dict)
    """Category and day of mouvements that a clerk completed, by their lines."""
    parts: dict[str, date] = field(default_factory=dict)
    """The day of the export that holds the electors of each arrondissement."""

    @property
    def held(self) -> Lines:
        """The lines that are still in the register."""
        return tuple(it for it in self.lines if it.personne not in self.gone)

    @property
    def is_intact(self) -> bool:
        """Whether the register has as many electors as the export."""
        return len(self.held) == len(self.lines)

    @cached_property
    def comparison(self) -> Comparison:
        """The differences from the list in the register before."""
        if not self.is_compared or self.before is None:
            return Comparison([], 0, [])
        return compare(self.before, self.lines)

    @cached_property
    def doubts(self) -> set[tuple[Inscrit, Inscrit]]:
        """Departures and arrivals that may be one person with a corrected civil status."""
        left = Counter(it.personne for it in self.comparison.changes if it.nature == "radiation")
        came = Counter(it.personne for it in self.comparison.changes if it.nature == "inscription")
        return {
            (old, new)
            for old in self.before or ()
            if left[old.personne]
            for new in self.lines
            if came[new.personne] and is_doubtful(old, new)
        }

    @property
    def open_doubts(self) -> list[tuple[Personne, Personne]]:
        pairs = {(old.personne, new.personne) for old, new in self.doubts}
        merged = {
            personne for pair, is_same in self.answers.items() if is_same for personne in pair
        }
        return [pair for pair in pairs if pair not in self.answers and not merged & {*pair}]

    @property
    def changes(self) -> list[Change]:
        """The mouvements of the export: a person with a corrected civil status has none, except a change of bureau."""
        changes = list(self.comparison.changes)
        for (old, new), is_same in self.answers.items():
            if is_same:
                left = next(it for it in changes if it.nature == "radiation" and it.personne == old)
                came = next(
                    it for it in changes if it.nature == "inscription" and it.personne == new
                )
                changes.remove(left)  # a homonym may have left too
                changes.remove(came)
                if left.ancien != came.nouveau:
                    of_bureau = new, left.ancien, came.nouveau, came.inscrit
                    changes.append(Change("modification", *of_bureau, "changement_bureau"))
        return [
            it._replace(categorie=self.said.get(it.line, (it.categorie, None))[0]) for it in changes
        ]

    @property
    def rows(self) -> list[Change]:
        """All mouvements, also those that a clerk has replaced by a change of bureau."""
        rows = self.comparison.changes
        lines = {it.line for it in rows}
        return [*rows, *(it for it in self.changes if it.line not in lines)]

    def day_of(self, change: Change) -> date | None:
        """The day of a mouvement, if a clerk has entered it."""
        return self.said.get(change.line, ("", None))[1]

    @property
    def dated(self) -> list[tuple[Change, date]]:
        """Each mouvement with the day that tableaux use: its own, else that of the export."""
        return [(change, self.day_of(change) or self.day) for change in self.changes]

    @property
    def guesses(self) -> list[date]:
        """The day of the export for each homonym that it tells apart by order alone."""
        return [self.day] * self.comparison.guesses

    @property
    def corrections(self) -> dict[Personne, Personne]:
        """People with a corrected civil status: as they were known, and as they are known now."""
        return {old: new for (old, new), is_same in self.answers.items() if is_same}


@dataclass
class Joined(Link):
    """Exports of arrondissements until all of them were of one day: then the whole list is known again."""

    links: Sequence[Link] = ()

    @cached_property
    def comparison(self) -> Comparison:
        """All differences."""
        found = [link.comparison for link in self.links]
        return Comparison([it for one in found for it in one.changes], 0, [])

    @property
    def guesses(self) -> list[date]:
        """Each guess has the day of its own export."""
        return [day for link in self.links for day in link.guesses]

    @property
    def open_doubts(self) -> list[tuple[Personne, Personne]]:
        """The open doubts of each export."""
        return [pair for link in self.links for pair in link.open_doubts]

    @property
    def changes(self) -> list[Change]:
        """The mouvements of each export."""
        return [it for link in self.links for it in link.changes]

    @property
    def dated(self) -> list[tuple[Change, date]]:
        """Each mouvement has the day of its own export."""
        return [it for link in self.links for it in link.dated]

    @property
    def corrections(self) -> dict[Personne, Personne]:
        """The corrections of each export."""
        return {old: new for link in self.links for old, new in link.corrections.items()}


def join(links: Sequence[Link]) -> Link:
    """The link of a whole list."""
    if len(links) == 1:
        return links[0]
    first, last = links[0], links[-1]
    is_compared = all(link.is_compared for link in links)
    whole = last.number, last.day, is_compared, first.before, last.lines, last.is_told
    return Joined(*whole, gone=last.gone, links=links)


@dataclass
class Register:
    """The state of the commune so far."""

    commune: Commune = LIBREVILLE
    chains: dict[str, list[Link]] = field(default_factory=dict)
    imports: list[tuple[Import, bool] | None] = field(default_factory=list)
    """Each import of the history and whether it still applies; None: it was refused, or changed nothing."""
    brought: list[Bring] = field(default_factory=list)
    kept: dict[str, list[tuple[Link, Change]]] = field(default_factory=dict)
    """By list: mouvements of undone exports that a clerk has answered."""

    # Imports: each is a link of the chain of every list that it contains.

    def _import(self, step: Import) -> Answer:
        self.imports.append(None)
        day = step.taken_on or step.day
        new = dict(step.listes) | dict.fromkeys(step.emptied, ())
        known = {liste: chain[-1] for liste in new if (chain := self.chains.get(liste))}
        if not any(new.values()) and not step.emptied:
            return Refused()
        if self._is_the_same(step):
            return Done(is_unchanged=True)
        if any(self.followed(link, new[liste]) > day for liste, link in known.items()):
            return Refused()
        if not step.is_accepted and self.asks(step, day):
            return Refused()
        self.imports[-1] = (step, True)
        counts: Counter[str] = Counter()
        for liste, lines in new.items():
            chain = self.chains.setdefault(liste, [])
            before = chain[-1].held if chain else None
            is_told = step.taken_on is not None
            is_compared = step.is_compared and not (
                chain and self.brings_new_part(chain[-1], lines)
            )
            parts = {
                self.part(it): chain[-1].parts[self.part(it)]
                for it in self.others(before or (), lines)
            }
            whole = (*lines, *self.others(before or (), lines))
            parts |= dict.fromkeys(self.held_parts(lines), day)
            chain.append(
                Link(len(self.imports) - 1, day, is_compared, before, whole, is_told, parts=parts)
            )
            counts.update(change.nature for change in chain[-1].changes)
            self._restore(liste, chain)
        return Done(counts["inscription"], counts["radiation"], counts["modification"])

    # A list by arrondissement: an export replaces the electors of the arrondissements that it contains.

    def part(self, inscrit: Inscrit) -> str:
        return self.commune.arrondissements.get(inscrit.bureau, "")

    def held_parts(self, lines: Lines) -> set[str]:
        """The arrondissements in an export."""
        return {self.part(it) for it in lines} - {""}

    def others(self, before: Lines, lines: Lines) -> Lines:
        """The electors who stay because the export lacks their arrondissement."""
        held = self.held_parts(lines)
        return tuple(it for it in before if held and self.part(it) not in held)

    def brings_new_part(self, link: Link, lines: Lines) -> bool:
        """Whether the export has a new arrondissement: the arrival of its electors is not a mouvement."""
        return bool(link.held) and bool(self.held_parts(lines) - {*link.parts})

    def followed(self, link: Link, lines: Lines) -> date:
        """The earliest allowed day of an export: that of the last export, or of the arrondissement's last export."""
        days = [link.parts[it] for it in self.held_parts(lines) if it in link.parts]
        return max(days, default=link.day)

    def whole(self, liste: str) -> tuple[list[Link], list[Link]]:
        """The exports after which all arrondissements of a list were of one day, then the partial ones since."""
        chain, partial = [], []
        for link in self.chains.get(liste, []):
            partial.append(link)
            if len({*link.parts.values()}) < 2:
                chain.append(join(partial))
                partial = []
        return chain, partial

    def asks(self, step: Import, day: date) -> bool:
        """Whether the import has a question; a complementary list that is emptied on purpose raises none."""
        replaced = {liste: lines for liste, lines in step.listes.items() if lines}
        replaced |= dict.fromkeys({*step.emptied} & {"P"}, ())
        days = [
            link.day
            for number, known in enumerate(self.imports)
            if known and known[1] and known[0].listes == step.listes
            for chain in self.chains.values()
            for link in chain
            if link.number == number
        ]
        return (bool(days) and day not in days) or any(
            self.asks_about(
                liste, chain[-1].held, (*lines, *self.others(chain[-1].held, lines)), self.part
            )
            for liste, lines in replaced.items()
            if (chain := self.chains.get(liste))
            and not (step.is_compared and self.brings_new_part(chain[-1], lines))
        )

    def _is_the_same(self, step: Import) -> bool:
        """« Importing the same file twice changes nothing », while all its lists are those of that import.

        Unless its declared day is later: then nothing had changed until that day, and the chain gets a link.
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
        chains = [
            chain
            for chain in self.chains.values()
            if any(link.number == step.link for link in chain)
        ]
        before = [link.day for chain in chains for link in chain if link.number < step.link]
        after = [link.day for chain in chains for link in chain if link.number > step.link]
        if any(day > step.taken_on for day in before) or any(day < step.taken_on for day in after):
            return Refused()
        days = {link.number: link.day for chain in chains for link in chain} | {
            step.link: step.taken_on
        }
        if any(
            not _lies_between(day, days[former.number], days[link.number])
            for chain in chains
            for former, link in pairwise(chain)
            for _, day in link.said.values()
            if day
        ):
            return Refused()
        for link in (link for chain in chains for link in chain if link.number == step.link):
            link.day, link.is_told = step.taken_on, True
        return Done()

    def _undo(self, step: Undo) -> Answer:
        known = self.imports[step.link]
        if known is None:
            return None
        chains = [
            chain
            for chain in self.chains.values()
            if any(link.number == step.link for link in chain)
        ]
        if not known[1] or any(chain[-1].number != step.link for chain in chains):
            return Refused()
        self.imports[step.link] = (known[0], False)
        for liste, chain in self.chains.items():
            if chain in chains:
                self._keep(liste, chain.pop())
        self.chains = {liste: chain for liste, chain in self.chains.items() if chain}
        return Done()

    # What a clerk answered outlives the import that asked.

    def _keep(self, liste: str, link: Link) -> None:
        """Keep the mouvements with an answer, and those of their homonyms."""
        asked = {personne for pair in link.answers for personne in pair}
        answered = [
            it
            for it in link.rows
            if it.line in link.said or (it.nature != "modification" and it.personne in asked)
        ]
        names = {(it.nature, it.personne[:3]) for it in answered}
        rows = [(link, it) for it in link.rows if (it.nature, it.personne[:3]) in names]
        self.kept.setdefault(liste, []).extend(rows)

    def _restore(self, liste: str, chain: Sequence[Link]) -> None:
        """Give an export the answers to the same doubts, then the days and categories of the same mouvements."""
        link, kept = chain[-1], self.kept.get(liste, [])
        after = next(
            (it.day for it in reversed(chain[:-1]) if len({*it.parts.values()}) < 2), date.min
        )
        found = {
            (former.number, old.nature, old.personne): new
            for former, old, new in _pair(kept, link, after)
        }
        for former in {former.number: former for former, _ in kept}.values():
            merged = {
                personne for pair, is_same in former.answers.items() if is_same for personne in pair
            }
            for (left, came), is_same in sorted(former.answers.items(), key=lambda it: not it[1]):
                sides = (
                    found.get((former.number, *it))
                    for it in (("radiation", left), ("inscription", came))
                )
                pair = tuple(it.personne for it in sides if it)
                if pair in link.open_doubts and (is_same or not merged & {left, came}):
                    link.answers[pair] = is_same
        for former, old, new in _pair(kept, link, after):
            if old.line in former.said:
                link.said[new.line] = former.said[old.line]
            kept.remove((former, old))

    # Corrections are not departures.

    def _decide(self, step: Decide) -> Answer:
        for link in self.chains.get(step.liste, []):
            if (step.left, step.came) in link.open_doubts:
                link.answers[step.left, step.came] = step.is_same
                return Done()
        return Refused()

    # Entries of a clerk or another service.

    def _complete(self, step: Complete) -> Answer:
        """A day must lie between the two exports that show the mouvement: after the first, no later than the second."""
        found = [
            (former, link, change)
            for former, link in pairwise(self.chains.get(step.liste, []))
            for change in link.changes
            if (change.nature, change.personne) == (step.nature, step.personne)
        ]
        if not found:
            return Refused()
        former, link, change = found[-1]
        if step.jour and not _lies_between(step.jour, former.day, link.day):
            return Refused()
        categorie, jour = link.said.get(change.line, ("", None))
        link.said[change.line] = step.categorie or categorie, step.jour or jour
        return Done()

    def _edit(self, step: Edit) -> Answer:
        if not (chain := self.chains.get(step.liste)):
            return Refused()
        chain[-1].gone.append(step.personne)
        return Done()

    # Mouvements that no comparison found.

    def _bring(self, step: Bring) -> Answer:
        """All of them or none: known mouvements are not added twice, but may be declared complete."""
        for place, known in enumerate(self.brought):
            if (known.liste, known.lines) == (step.liste, step.lines):
                self.brought[place] = replace(
                    known, complete_until=step.complete_until or known.complete_until
                )
                return Done(is_unchanged=True)
        told = {
            (change.key, link.day)
            for link in self.chains.get(step.liste, [])
            for change in link.changes
        }
        told |= {(change.key, day) for change, day in self.told(step.liste)}
        if not step.lines or told & {(change.key, day) for change, day in step.lines}:
            return Refused()
        self.brought.append(step)
        return Done()

    def told(self, liste: str) -> list[Told]:
        return [told for file in self.brought if file.liste == liste for told in file.lines]

    # Known people, and their majority.

    def knows(self, liste: str) -> bool:
        """Whether a list can be requested: a complementary one without any export is empty."""
        return liste in self.chains or (liste != "P" and bool(self.chains))

    def majority(self, personne: Personne) -> date:
        """The day of the eighteenth birthday: L. 2, L. 11. Of a partial date, that of the earliest possible day.

        Born on 29 February: on the 28th the years are not complete, so it is 1 March (Code civil, art. 388 and 414).
        """
        year, month, day = (int(part) or 1 for part in personne.naissance.split("-"))
        try:
            return date(year + 18, month, day)
        except ValueError:
            return date(year + 18, 3, 1)

    def is_of_age(self, personne: Personne, day: date) -> bool:
        """Whether a person on the list is an elector on that day."""
        return self.majority(personne) <= day

    def known_now(self, chain: Sequence[Link], place: int) -> Lines:
        """The people of an export, each under their current civil status."""
        lines = chain[place].held
        for link in chain[place + 1 :]:
            lines = tuple(
                it._replace(personne=link.corrections.get(it.personne, it.personne)) for it in lines
            )
        return lines

    # The questions of an import before it goes on: specification of the register, « Corrections of November 2026 ».

    def asks_about(
        self, liste: str, before: Lines, after: Lines, part: Callable[[Inscrit], str]
    ) -> bool:
        """Whether there is a question about a list, or about an arrondissement of it."""
        found = compare(before, after)
        return self.loses_bureau(liste, before, after) or any(
            self.asks_about_part(
                tuple(it for it in before if part(it) == of),
                tuple(it for it in after if part(it) == of),
                Comparison(
                    [
                        it
                        for it in found.changes
                        if part(it.inscrit._replace(bureau=it.ancien or it.nouveau)) == of
                    ],
                    0,
                    [pair for pair in found.pairs if part(pair[0]) == of],
                ),
            )
            for of in sorted({part(it) for it in (*before, *after)})
        )

    def asks_about_part(self, before: Lines, after: Lines, found: Comparison) -> bool:
        """Whether electors vanish, the population is another one, or a field changes for many."""
        natures = Counter(it.nature for it in found.changes)
        left, came = natures["radiation"], natures["inscription"]
        stayed = len(before) - left
        return (
            self.is_loss(len(before), left, came)
            or (left >= LEAST and 2 * stayed < len(before) and came > stayed)
            or self.is_cut(before, after, found)
            or any(self.changes(found, name) > max(LEAST - 1, MANY * stayed) for name in _FIELDS)
        )

    def is_loss(self, known: int, left: int, came: int) -> bool:
        """Whether more than a fifth of the known electors vanish: five or more, or the list shrinks."""
        return left > MANY * known and (left >= LEAST or came < left)

    def is_cut(self, before: Lines, after: Lines, found: Comparison) -> bool:
        """Whether the end of the list is missing, in the order of its file, of its numbers, or of names in `after`."""
        left = Counter(it.inscrit for it in found.changes if it.nature == "radiation")
        by_number = sorted(before, key=lambda it: (it.bureau, it.numero))
        runs = [_run(order, left) for order in (before, by_number)]
        runs += [
            _count_behind(before, after[-1:], left, key)
            for key in (_name, lambda it: (it.bureau, *_name(it)))
        ]
        return max(runs) >= max(LEAST, left.total() / 2)

    def loses_bureau(self, liste: str, before: Lines, after: Lines) -> bool:
        """Whether a bureau of the principal list, or of five electors or more of another list, has none left."""
        counts, least = Counter(it.bureau for it in before), 1 if liste == "P" else LEAST
        return any(counts[bureau] >= least for bureau in {*counts} - {it.bureau for it in after})

    def changes(self, found: Comparison, name: str) -> int:
        """The number of remaining electors for whom a field changes."""
        return sum(getattr(here, name) != getattr(there, name) for here, there in found.pairs)


def _pair(
    kept: Sequence[tuple[Link, Change]], link: Link, after: date
) -> list[tuple[Link, Change, Change]]:
    """The kept mouvements, with their exports and the same ones of another export; none of homonyms."""
    pairs = []
    for new in link.rows:
        formers = [(former, old) for former, old in kept if _same(old) == _same(new)]
        formers = [it for it in formers if it[0].number == formers[-1][0].number]
        is_alone = sum(plain(it.personne) == plain(new.personne) for it in link.lines) == (
            new.nature != "radiation"
        )
        if len(formers) == 1 and is_alone and sum(_same(it) == _same(new) for it in link.rows) == 1:
            [(former, old)] = formers
            noted = former.day_of(old)
            if _lies_between(noted or former.day, after, link.day) or (
                noted is None and former.day > after
            ):
                pairs.append((former, old, new))
    return pairs


def _same(change: Change) -> tuple[object, ...]:
    bureaux = (change.ancien, change.nouveau) if change.nature == "modification" else ()
    return change.nature, plain(change.personne), bureaux


def _lies_between(day: date, former: date, latter: date) -> bool:
    """Whether a mouvement between two exports may be of a day: after the first one, unless both are of that day."""
    return former < day <= latter or former == day == latter


def _run(order: Sequence[Inscrit], left: Counter[Inscrit]) -> int:
    """How many at the end are among the departures."""
    rest, number = left.copy(), 0
    for it in reversed(order):
        if not rest[it]:
            break
        rest[it] -= 1
        number += 1
    return number


def _name(it: Inscrit) -> tuple[str, ...]:
    return it.personne.nom, it.personne.prenoms


def _count_behind(
    before: Lines, last: Lines, left: Counter[Inscrit], key: Callable[[Inscrit], tuple[str, ...]]
) -> int:
    """How many departures are after the last line, unless half as many others are after it too."""
    behind = Counter(it for it in before for line in last if key(it) > key(line))
    gone = (behind & left).total()
    return gone if gone > 2 * (behind.total() - gone) else 0
