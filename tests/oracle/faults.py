"""Ways to compute wrongly, one each: the comparison must notice all of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from tests.oracle.answers import Liste
from tests.oracle.computation import Oracle

_Rule = Callable[..., Any]


def _wrong(name: str, **rules: _Rule) -> type[Oracle]:
    """An oracle with other rules; the name says what it believes."""
    return type(name, (Oracle,), {**rules})


def _without(code: str) -> _Rule:
    return lambda self, window: (gap for gap in Oracle.gaps(self, window) if gap.code != code)


def _liste_of_all(self: Oracle, step: Any) -> Any:  # noqa: ANN401 — as the rule that it replaces
    answer = Oracle._askliste(self, step)  # noqa: SLF001 — the same
    return replace(answer, mineurs=0) if isinstance(answer, Liste) else answer


def _empty_what_is_absent(self: Oracle, step: Any) -> Any:  # noqa: ANN401 — as the rule that it replaces
    absent = tuple(liste for liste in self.chains if liste not in step.listes)
    return Oracle._import(self, replace(step, emptied=absent))  # noqa: SLF001 — the same


def _first_meeting(self: Oracle, step: Any) -> Any:  # noqa: ANN401 — as the rule that it replaces
    known, self.meetings = self.meetings, self.meetings[:1]
    try:
        return Oracle.period(self, step)
    finally:
        self.meetings = known


FAULTS = (
    _wrong("the_meeting_s_day_counts", is_between=lambda _, day, start, last: start <= day <= last),
    _wrong("the_last_day_is_left_out", is_between=lambda _, day, start, last: start < day < last),
    _wrong("gaps_are_passed_over", bridges=lambda *_: True),
    _wrong("a_stale_export_is_enough", ends=lambda *_: True),
    _wrong("nothing_was_before", begins=lambda *_: True),
    _wrong("straddling_is_passed_over", gaps=_without("couverture_date")),
    _wrong("minors_are_electors", _askliste=_liste_of_all),
    _wrong("birthday_a_day_late", majority=lambda self, who: Oracle.majority(self, who) + timedelta(days=1)),
    _wrong("no_second_round", age_day=lambda self, day, rounds: Oracle.age_day(self, day, {it: it for it in rounds})),
    _wrong("nobody_comes_of_age", coming_of_age=lambda *_: []),
    _wrong("minors_show_when_entered", counts=lambda *_: True),
    _wrong("a_change_of_bureau_only_arrives", places_of=lambda self, change: Oracle.places_of(self, change)[:1]),
    _wrong("a_day_stays_as_it_was", move=lambda *_: None),
    _wrong("undoing_leaves_mouvements", take_back=lambda _, chain: chain.pop() if len(chain) == 1 else None),
    _wrong("an_absent_list_is_empty", _import=_empty_what_is_absent),
    _wrong("a_coming_tableau_is_finished", is_to_come=lambda *_: False),
    _wrong("the_first_meeting_counts", period=_first_meeting),
    _wrong("corrections_are_mouvements", asked_about=lambda *_: False),
    _wrong("guesses_are_certain", guesses=lambda *_: 0),
    _wrong("corrections_change_no_count", is_corrected=lambda *_: False),
    _wrong("corrections_are_of_their_day", known_now=lambda _, chain, place: chain[place].held),
    _wrong(
        "words_are_believed",
        contradicts=lambda self, former, link, window: (
            link.is_compared and Oracle.contradicts(self, former, link, window)
        ),
    ),
    _wrong(
        "what_is_told_twice_counts_twice",
        contradicts=lambda self, former, link, window: (
            not link.is_compared and Oracle.contradicts(self, former, link, window)
        ),
    ),
    _wrong("late_files_are_no_matter", is_late=lambda *_: False),
    _wrong("minors_are_in_every_file", minors=lambda *_: 0),
    _wrong("words_cover_nothing", word=lambda *_: None),
    _wrong("words_cover_all_that_follows", word=lambda self, _: Oracle.word(self, date.min)),
    _wrong("silence_is_consent", gaps=_without("couverture_inconnue")),
    _wrong("waiting_is_passed_over", waiting=lambda *_: ()),
    _wrong("the_export_s_day_is_the_date", days=lambda *of: (of[2].day,)),
    _wrong("every_mouvement_is_named", is_printed=lambda *_: True),
    _wrong("nothing_is_missing", incomplete=lambda *_: Counter()),
    _wrong("later_exports_count", until_base=lambda *of: of[1]),
    _wrong("nobody_edits_the_register", is_edited=lambda *_: False),
    _wrong("an_import_asks_nothing", asks=lambda *_: False),
    _wrong("two_spellings_are_two_persons", anomalies_of_doubles=lambda *_: Counter()),
)
