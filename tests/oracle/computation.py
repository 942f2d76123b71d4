"""What each file of a history must say, from the specification alone: no code of worker/, and nothing read from there.

Sources: Code électoral, art. L. 11, L. 19, L. 20, L. 30, L. 31, R. 13, R. 14; the register's and the tableaux'
specifications. Days are those that the register was told; nothing here knows when an export was really taken.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import zip_longest
from typing import NamedTuple

from tests.oracle.answers import Answer, Figures, Line, Liste, Refused, Tableau
from tests.oracle.coverage import Coverage, Gap, Window
from tests.oracle.history import (
    AskListe,
    AskTableau,
    Bring,
    Change,
    Decide,
    History,
    Import,
    Meeting,
    Personne,
    Poll,
    Redate,
    Step,
    Undo,
)
from tests.oracle.register import Link

DAYS_TO_SECOND_ROUND = {"Municipales": 7, "Présidentielle": 14}
"""By the first word of a poll's name: Code électoral, art. L. 56; Constitution, art. 7. Others have one round."""


class Ages(NamedTuple):
    """A period ]start, end], and the days on which age counts for its first number of electors and for its last one."""

    start: date
    end: date
    first: date
    last: date


@dataclass
class Oracle(Coverage):
    """The files, computed; a fault overrides one of these rules, or of those that they rest on."""

    meetings: list[date] = field(default_factory=list)
    rounds: dict[date, date] = field(default_factory=dict)
    """Polls, each with the day of its last round."""

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
            case Bring():
                return self._bring(step)
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

    # The list file.

    def _liste(self, step: AskListe) -> Answer:
        if not self.knows(step.liste):
            return Refused()
        chain = self.chains.get(step.liste)
        everybody = chain[-1].lines if chain else ()
        electeurs = [it for it in everybody if self.is_of_age(it.personne, step.day)]
        return Liste(Counter(it._replace(numero=0, voie="") for it in electeurs), len(everybody) - len(electeurs))

    # The tableaux since 2019.

    def _tableau(self, step: AskTableau) -> Answer:
        period = self.period(step)
        if not self.knows(step.liste) or not period:
            return Refused()
        start, last = period
        chain = self.until_known(self.chains.get(step.liste, []), start, min(last, step.day))
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
        ]
        mouvements += [
            change
            for change, day in self.told(step.liste)
            if self.is_between(day, start, last) and self.counts(change, day, ages)
        ]
        mouvements += self.coming_of_age(chain, ages)
        gaps = set(self.gaps(Window(step.liste, chain, start, min(last, step.day), is_provisional)))
        if any(self.asked_about(link, start, last, ages) for link in chain):
            gaps.add(Gap("doutes_ouverts"))
        remarks = Counter(gap.code for gap in gaps if not gap.is_blocking)
        remarks["homonymes_supposes"] = sum(
            self.guesses(link) for link in chain if self.is_between(link.day, start, last)
        )
        remarks["majorite_corrigee"] = int(self.is_corrected(chain, ages))
        # Instruction INTA1830120J, III.C: inscriptions of article L. 30 and radiations. No history says the article.
        shown = [it for it in mouvements if step.type != "cinq_jours_reu" or it.nature == "radiation"]
        figures = self.figures(step.liste, chain, (mouvements, shown), ages)
        if any(it.avant < 0 or it.apres < 0 for it in figures.values()):
            gaps.add(Gap("bilan_impossible"))
        lines = Counter(line for change in shown for line in self.lines_of(change))
        return Tableau(
            first=start + timedelta(days=1),
            last=last,
            gaps=frozenset(gap.code for gap in gaps if gap.is_blocking),
            remarks=+remarks,
            is_provisional=is_provisional,
            lines=lines,
            mouvements=len(shown),
            figures=figures,
        )

    def until_known(self, chain: Sequence[Link], start: date, end: date) -> Sequence[Link]:
        """The exports until the one that ends the period: what is imported later changes nothing of a tableau."""
        later = next((place for place, link in enumerate(chain) if link.day >= end), len(chain) - 1)
        known = [later, *(place for place, link in enumerate(chain) if link.day in (start, end) or link.day < start)]
        return chain[: max(known) + 1]

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
        for place, (link, following) in enumerate(zip_longest(chain, chain[1:])):
            entered = Counter((it.personne, it.nouveau) for it in link.changes if it.nature == "inscription")
            for inscrit in self.known_now(chain, place):
                since = self.begins_to_count(inscrit.personne, ages)
                is_shown = link.day <= since and (following is None or since < following.day)
                is_new = since == link.day and entered[inscrit.personne, inscrit.bureau] > 0
                entered[inscrit.personne, inscrit.bureau] -= is_new  # somebody may be on a list twice
                if is_shown and not is_new and self.is_between(since, ages.start, ages.end):
                    found.append(Change("inscription", inscrit.personne, "", inscrit.bureau))
        return found

    def lines_of(self, change: Change) -> list[Line]:
        """Where somebody is named: who changes bureau comes into one and leaves the other."""
        came = [Line("I", change.nouveau, change.personne)] if change.nouveau else []
        left = [Line("II", change.ancien, change.personne)] if change.ancien else []
        return came + left

    def figures(
        self, liste: str, chain: Sequence[Link], moved: tuple[Sequence[Change], Sequence[Change]], ages: Ages
    ) -> dict[str, Figures]:
        """Electors before and after, from what the exports show; what came and left, from the mouvements.

        `moved`: all those of the period, and those that the tableau shows.
        """
        mouvements, shown = moved
        count = self.count_back if self.brought else self.count
        before, after = count(liste, chain, ages.start, ages.first), count(liste, chain, ages.end, ages.last)
        if not chain:  # what waits to be applied is counted by the tableau of its period, and by no other
            before, after = Counter(), after - before
        natures = Counter((it.nature, "I", it.nouveau) for it in shown)
        natures += Counter((it.nature, "II", it.ancien) for it in shown)
        others = Counter(it.nouveau for it in mouvements if it not in shown)
        others.subtract(Counter(it.ancien for it in mouvements if it not in shown))
        bureaux = {bureau for _, _, bureau in natures if bureau} | {it for it in others if it} | {*before, *after}
        figures = {
            bureau: Figures(
                before[bureau],
                natures["inscription", "I", bureau],
                natures["modification", "I", bureau],
                natures["radiation", "II", bureau],
                natures["modification", "II", bureau],
                after[bureau],
                others[bureau],
            )
            for bureau in bureaux
        }
        totals = [sum(column) for column in zip(*figures.values(), strict=True)] or [0] * 7
        return figures | {"": Figures(*totals)}

    def count(self, liste: str, chain: Sequence[Link], day: date, age_day: date) -> Counter[str]:  # noqa: ARG002
        """Electors of each bureau at the end of a day, as far as the exports until then tell."""
        known = [place for place, link in enumerate(chain) if link.day <= day]
        everybody = self.known_now(chain, known[-1]) if known else ()
        return Counter(it.bureau for it in everybody if self.is_of_age(it.personne, age_day))

    def count_back(self, liste: str, chain: Sequence[Link], day: date, age_day: date) -> Counter[str]:
        """The same where mouvements were brought: from the last export, back over what is later, and on to that day.

        A list that no export has shows nobody: what is brought of it waits to be applied.
        """
        now = Counter(it.bureau for it in (chain[-1].lines if chain else ()) if self.is_of_age(it.personne, age_day))
        shown_on = chain[-1].day if chain else date.min
        known = [(change, link.day, True) for link in chain for change in link.changes]
        told = [(change, of, of <= shown_on) for change, of in self.told(liste)]
        for change, of, is_shown in [*known, *told]:
            sign = (not is_shown and of <= day) - (is_shown and of > day)
            if self.is_of_age(change.personne, age_day):
                now[change.nouveau] += sign * bool(change.nouveau)
                now[change.ancien] -= sign * bool(change.ancien)
        return now

    # What is assumed, asked about, corrected.

    def guesses(self, link: Link) -> int:
        """How many were told from their homonyms by nothing but their order."""
        return link.comparison.guesses

    def is_corrected(self, chain: Sequence[Link], ages: Ages) -> bool:
        """Whether a date of birth was corrected across the majority: the tableau before ended with another number."""
        return any(
            self.is_of_age(old, ages.first) != self.is_of_age(new, ages.first)
            for link in chain
            if link.day > ages.start
            for old, new in link.corrections.items()
        )

    def asked_about(self, link: Link, start: date, last: date, ages: Ages) -> bool:
        """Whether one of the mouvements of the tableau is of a doubt that is open."""
        shown = [it.personne for it in link.changes if self.counts(it, link.day, ages)]
        return self.is_between(link.day, start, last) and any({*pair} & {*shown} for pair in link.open_doubts)
