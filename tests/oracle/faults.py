"""Ways to compute wrongly, one each: the comparison must notice all of them."""
# ruff: noqa: ARG002 — a rule that is gone looks at nothing

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from tests.oracle.answers import Answer, Liste
from tests.oracle.computation import Ages, Oracle, Shown
from tests.oracle.coverage import Gap, Window
from tests.oracle.history import AskListe, AskTableau, Change, Import, Inscrit, Lines, Personne
from tests.oracle.register import Brought, Link


class MeetingDayCounts(Oracle):
    """The day of the meeting before belongs to this tableau too."""

    def is_between(self, day: date, start: date, last: date) -> bool:
        return start <= day <= last


class LastDayIsLeftOut(Oracle):
    """What happened on the last day is the next tableau's."""

    def is_between(self, day: date, start: date, last: date) -> bool:
        return start < day < last


class GapsArePassedOver(Oracle):
    """An export that was not compared is as good as another."""

    def bridges(self, link: Link) -> bool:
        return True


class StaleExportIsEnough(Oracle):
    """Nobody asks whether an export was taken on the last day or later."""

    def ends(self, chain: Sequence[Link], last: date) -> bool:
        return True


class NothingWasBefore(Oracle):
    """Nobody asks whether an export was taken on the day of the meeting or before."""

    def begins(self, chain: Sequence[Link], start: date) -> bool:
        return True


class StraddlingIsPassedOver(Oracle):
    """Mouvements of an export taken after the last day are all of after it."""

    def gaps(self, window: Window) -> Iterator[Gap]:
        return (gap for gap in super().gaps(window) if gap.code != "couverture_date")


class MinorsAreElectors(Oracle):
    """The file has whoever is on the list."""

    def _liste(self, step: AskListe) -> Answer:
        answer = super()._liste(step)
        return replace(answer, mineurs=0) if isinstance(answer, Liste) else answer


class BirthdayADayLate(Oracle):
    """Of age on the day after the birthday."""

    def majority(self, personne: Personne) -> date:
        return super().majority(personne) + timedelta(days=1)


class SecondRoundIsForgotten(Oracle):
    """Age counts on the day of the poll."""

    def age_day(self, day: date, rounds: Mapping[date, date]) -> date:
        return super().age_day(day, {poll: poll for poll in rounds})


class NobodyComesOfAge(Oracle):
    """Who was entered in advance never shows."""

    def coming_of_age(self, chain: Sequence[Link], ages: Ages) -> list[Shown]:
        return []


class MinorsShowWhenEntered(Oracle):
    """A mouvement counts whatever the age."""

    def counts(self, change: Change, day: date, ages: Ages) -> bool:
        return True


class ChangeOfBureauOnlyArrives(Oracle):
    """Who changes bureau is not in part II of the one she leaves."""

    def places_of(self, change: Change) -> list[tuple[str, str]]:
        return super().places_of(change)[:1]


class DayStaysAsItWas(Oracle):
    """Mouvements do not follow the day of their export."""

    def move(self, link: Link, day: date) -> None:
        pass


class UndoingLeavesTheMouvements(Oracle):
    """The export that was undone stays in the chain."""

    def take_back(self, chain: list[Link]) -> None:
        if len(chain) == 1:
            chain.pop()


class AbsentListIsEmpty(Oracle):
    """A list that an export does not hold has nobody any more."""

    def _import(self, step: Import) -> Answer:
        absent = [liste for liste in self.chains if liste not in step.listes]
        return super()._import(Import(step.day, step.listes, step.taken_on, step.is_compared, tuple(absent)))


class ComingTableauIsFinished(Oracle):
    """A day to come is as good as another."""

    def is_to_come(self, step: AskTableau, last: date) -> bool:
        return False


class FirstMeetingCounts(Oracle):
    """A tableau begins with the first meeting that anybody declared."""

    def period(self, step: AskTableau) -> tuple[date, date] | None:
        known, self.meetings = self.meetings, self.meetings[:1]
        try:
            return super().period(step)
        finally:
            self.meetings = known


class NobodyAsksAboutCorrections(Oracle):
    """A corrected name is a departure and an arrival."""

    def asked_about(self, link: Link, start: date, last: date, ages: Ages) -> bool:
        return False


class GuessesAreCertain(Oracle):
    """Homonyms whom nothing tells apart are told apart."""

    def guesses(self, link: Link) -> int:
        return 0


class CorrectionsChangeNoCount(Oracle):
    """Nobody asks whether a correction makes an elector of a minor, or the contrary."""

    def is_corrected(self, chain: Sequence[Link], ages: Ages) -> bool:
        return False


class BeforeACorrectionNothingIsKnownOfIt(Oracle):
    """Who was corrected later is counted by her former date of birth."""

    def known_now(self, chain: Sequence[Link], place: int) -> Lines:
        return chain[place].lines


class WordsAreBelieved(Oracle):
    """What exports count is not held against mouvements that are said to be complete."""

    def contradicts(self, former: Link, link: Link, window: Window) -> bool:
        return link.is_compared and super().contradicts(former, link, window)


class WhatIsToldTwiceCountsTwice(Oracle):
    """Mouvements may be brought besides those that a comparison told."""

    def contradicts(self, former: Link, link: Link, window: Window) -> bool:
        return not link.is_compared and super().contradicts(former, link, window)


class LateFilesAreNoMatter(Oracle):
    """Whoever said that all mouvements were there is believed, whatever comes later."""

    def is_late(self, window: Window, word: Brought) -> bool:
        return False


class MinorsAreInEveryFile(Oracle):
    """Exports and mouvements differ by nobody, minors or not."""

    def minors(self, chain: Sequence[Link], day: date) -> int:
        return 0


class WordsCoverNothing(Oracle):
    """Only exports are known."""

    def word(self, last: date) -> Brought | None:
        return None


class WordsCoverAllThatFollows(Oracle):
    """What was complete once stays so."""

    def word(self, last: date) -> Brought | None:
        return super().word(date.min)


class SilenceIsConsent(Oracle):
    """Who says nothing of the mouvements that she brings says that they are complete."""

    def gaps(self, window: Window) -> Iterator[Gap]:
        return (gap for gap in super().gaps(window) if gap.code != "couverture_inconnue")


class WaitingIsPassedOver(Oracle):
    """What waits to be applied is as good as what the list shows."""

    def waiting(self, window: Window) -> Sequence[date]:
        return ()


class ExportDayIsTheDate(Oracle):
    """A mouvement that a comparison told happened on the day of the export."""

    def days(self, former: Link, link: Link) -> tuple[date, ...]:
        return (link.day,)


class EveryMouvementIsNamed(Oracle):
    """The tableau of R. 14 names what the tableau of R. 13 names."""

    def is_printed(self, change: Change, type_: str) -> bool:
        return True


class NothingIsMissing(Oracle):
    """A mouvement without a day or a category is complete."""

    def incomplete(self, shown: Sequence[Shown], type_: str) -> Counter[str]:
        return Counter()


class SpellingsAreTwoPersons(Oracle):
    """The list's report knows an elector twice by the same letters only."""

    def anomalies(self, liste: str, electeurs: Sequence[Inscrit]) -> Counter[str]:
        return super().anomalies(liste, [it for it in electeurs if it.personne.prenoms.isascii()])


FAULTS: tuple[type[Oracle], ...] = tuple(Oracle.__subclasses__())
