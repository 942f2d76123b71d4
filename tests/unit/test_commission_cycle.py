"""The years 2019 to 2026 again: the duties of a commune for each poll, and in each year without one.

Every day below was counted on a calendar by hand; none comes from the functions under test. Days of the polls: the
decrees of convocation. 30 June 2024: décret n° 2024-527 du 9 juin 2024.
"""

from dataclasses import replace
from datetime import date

import pytest

from common.calendrier import (
    CalendarReunion,
    CalendarScrutin,
    annual_cycle,
    annual_window,
    cycle_of,
    find_cycles,
    is_second_round,
    one_a_day,
)
from common.law import CINQ_JOURS_REU, VINGT_JOURS
from producers.web.echeances import build_agenda

DISSOLUTION = "décret n° 2024-527 du 9 juin 2024"
LEGISLATIVES_2024 = CalendarScrutin(
    date(2024, 6, 30),
    "Élections législatives, 1er tour",
    publication_due=date(2024, 6, 15),
    has_commission=False,
    texte=DISSOLUTION,
)
POLLS = [
    CalendarScrutin(date(2019, 5, 26), "Élections européennes"),
    CalendarScrutin(date(2020, 3, 15), "Élections municipales, 1er tour"),
    CalendarScrutin(date(2020, 6, 28), "Élections municipales, 2nd tour"),
    CalendarScrutin(date(2021, 6, 20), "Élections départementales et régionales, 1er tour"),
    CalendarScrutin(date(2021, 6, 27), "Élections départementales et régionales, 2nd tour"),
    CalendarScrutin(date(2022, 4, 10), "Élection présidentielle, 1er tour"),
    CalendarScrutin(date(2022, 4, 24), "Élection présidentielle, 2nd tour"),
    CalendarScrutin(date(2022, 6, 12), "Élections législatives, 1er tour"),
    CalendarScrutin(date(2022, 6, 19), "Élections législatives, 2nd tour"),
    CalendarScrutin(date(2024, 6, 9), "Élections européennes"),
    LEGISLATIVES_2024,
    CalendarScrutin(date(2024, 7, 7), "Élections législatives, 2nd tour"),
    CalendarScrutin(date(2026, 3, 15), "Élections municipales, 1er tour"),
    CalendarScrutin(date(2026, 3, 22), "Élections municipales, 2nd tour"),
]
BY_DAY = {poll.jour: poll for poll in POLLS}
YEARS = range(2019, 2027)
OF_TWENTY_DAYS, OF_MEETING = "Tableau des vingt jours", "Tableau des inscriptions et radiations"
OF_FIVE_DAYS = "Tableau des cinq jours"

FIRST_ROUNDS = {
    # poll: first and last day of the meeting, first tableau at the latest, tableau des cinq jours
    date(2019, 5, 26): (date(2019, 5, 2), date(2019, 5, 5), date(2019, 5, 6), date(2019, 5, 21)),
    date(2020, 3, 15): (date(2020, 2, 20), date(2020, 2, 23), date(2020, 2, 24), date(2020, 3, 10)),
    date(2020, 6, 28): (date(2020, 6, 4), date(2020, 6, 7), date(2020, 6, 8), date(2020, 6, 23)),
    date(2021, 6, 20): (date(2021, 5, 27), date(2021, 5, 30), date(2021, 5, 31), date(2021, 6, 15)),
    date(2022, 4, 10): (date(2022, 3, 17), date(2022, 3, 20), date(2022, 3, 21), date(2022, 4, 5)),
    date(2022, 6, 12): (date(2022, 5, 19), date(2022, 5, 22), date(2022, 5, 23), date(2022, 6, 7)),
    date(2024, 6, 9): (date(2024, 5, 16), date(2024, 5, 19), date(2024, 5, 20), date(2024, 6, 4)),
    date(2026, 3, 15): (date(2026, 2, 19), date(2026, 2, 22), date(2026, 2, 23), date(2026, 3, 10)),
}
SECOND_ROUNDS = [date(2021, 6, 27), date(2022, 4, 24), date(2022, 6, 19), date(2024, 7, 7), date(2026, 3, 22)]
WITHOUT_A_POLL = {
    2023: (date(2023, 11, 24), date(2023, 12, 28)),
    2025: (date(2025, 11, 21), date(2025, 12, 30)),
}


def test_every_poll_is_looked_at() -> None:
    assert sorted(BY_DAY) == sorted([*FIRST_ROUNDS, *SECOND_ROUNDS, LEGISLATIVES_2024.jour])


@pytest.mark.parametrize("jour", FIRST_ROUNDS)
def test_the_days_of_a_poll(jour: date) -> None:
    first, last, published, five_days = FIRST_ROUNDS[jour]
    cycle = cycle_of(BY_DAY[jour], [], POLLS)
    assert cycle.window == (first, last)
    assert [(one.type, one.due_on) for one in cycle.due] == [(VINGT_JOURS, published), (CINQ_JOURS_REU, five_days)]
    assert [one.titre for one in build_agenda(cycle, [], ["P"]).due] == [OF_TWENTY_DAYS, OF_FIVE_DAYS]


@pytest.mark.parametrize("jour", FIRST_ROUNDS)
def test_the_first_tableau_is_published_the_day_after_the_meeting(jour: date) -> None:
    first, _, published, _ = FIRST_ROUNDS[jour]
    held = [CalendarReunion(first), CalendarReunion(jour)]
    assert cycle_of(BY_DAY[jour], held, POLLS).due[0].due_on == date.fromordinal(first.toordinal() + 1)
    vain = [CalendarReunion(first, has_deliberated=False)]
    cycle = cycle_of(BY_DAY[jour], vain, POLLS)
    assert (cycle.reunion, cycle.due[0].due_on) == (vain[0], published)


@pytest.mark.parametrize("jour", SECOND_ROUNDS)
def test_a_second_round_goes_on_with_the_list_of_the_first(jour: date) -> None:
    cycle = cycle_of(BY_DAY[jour], [CalendarReunion(jour)], POLLS)
    assert (cycle.window, cycle.reunion, cycle.due, cycle.is_second_round) == (None, None, (), True)


def test_the_poll_of_30_june_2024_had_no_meeting_and_its_tableau_on_the_fifteenth_day() -> None:
    cycle = cycle_of(LEGISLATIVES_2024, [CalendarReunion(date(2024, 6, 7))], POLLS)
    assert (cycle.window, cycle.reunion) == (None, None)
    assert [(one.type, one.due_on) for one in cycle.due] == [
        (VINGT_JOURS, date(2024, 6, 15)),
        (CINQ_JOURS_REU, date(2024, 6, 25)),
    ]
    assert [one.titre for one in build_agenda(cycle, [], ["P"]).due] == [OF_MEETING, OF_FIVE_DAYS]


def test_a_decree_may_fix_every_day_of_a_poll() -> None:
    meeting = replace(LEGISLATIVES_2024, reunion_first=date(2024, 6, 12), reunion_last=date(2024, 6, 14))
    poll = replace(meeting, has_commission=True, cinq_jours_due=date(2024, 6, 27))
    held = CalendarReunion(date(2024, 6, 13))
    assert cycle_of(poll, [], POLLS).window == (date(2024, 6, 12), date(2024, 6, 14))
    for reunions, published in (([], date(2024, 6, 15)), ([held], date(2024, 6, 14))):
        cycle = cycle_of(poll, reunions, POLLS)
        expected = [(VINGT_JOURS, published), (CINQ_JOURS_REU, date(2024, 6, 27))]
        assert [(one.type, one.due_on) for one in cycle.due] == expected
    assert cycle.reunion == held
    assert "vient avant le premier" in replace(poll, reunion_last=date(2024, 6, 11)).window_fault
    assert "indiquez aussi son dernier jour" in replace(poll, publication_due=None).window_fault


@pytest.mark.parametrize("year", YEARS)
def test_the_meeting_of_a_year_is_asked_for_when_no_poll_asks_for_one(year: int) -> None:
    cycle = annual_cycle(year, [], POLLS)
    assert (cycle and cycle.window) == WITHOUT_A_POLL.get(year)
    if cycle:
        assert (cycle.due, cycle.reference_legale) == ((), "Code électoral, art. L. 19, III et R. 10 (alinéa 3)")


@pytest.mark.parametrize(("year", "held"), [(2023, date(2023, 12, 14)), (2025, date(2025, 3, 4))])
def test_the_tableau_of_a_year_without_a_poll_follows_its_meeting(year: int, held: date) -> None:
    cycle = annual_cycle(year, [CalendarReunion(held)], POLLS)
    assert cycle is not None
    (due,) = build_agenda(cycle, [], ["P"]).due
    assert (due.type, due.day, due.titre) == (VINGT_JOURS, date.fromordinal(held.toordinal() + 1), OF_MEETING)
    assert due.echeance.reference_legale == "Code électoral, art. L. 19, L. 19-1, L. 20 et R. 13"


@pytest.mark.parametrize(
    ("today", "asked"),
    [
        (date(2019, 4, 1), [date(2019, 5, 2), date(2020, 2, 20)]),
        (date(2022, 4, 11), [date(2022, 5, 19)]),
        (date(2022, 12, 1), [date(2024, 5, 16)]),
        (date(2023, 1, 2), [date(2023, 11, 24), date(2024, 5, 16)]),
        (date(2023, 12, 30), [date(2023, 11, 24), date(2024, 5, 16)]),
        (date(2024, 1, 31), [date(2023, 11, 24), date(2024, 5, 16)]),
        (date(2024, 2, 1), [date(2024, 5, 16)]),
        (date(2024, 6, 10), [date(2026, 2, 19)]),
        (date(2025, 6, 1), [date(2025, 11, 21), date(2026, 2, 19)]),
        (date(2026, 11, 29), [date(2027, 11, 19)]),
    ],
)
def test_the_meetings_that_are_asked_for_on_a_day(today: date, asked: list[date]) -> None:
    """For a commune that knows the polls of the two years to come."""
    known = [poll for poll in POLLS if poll.jour.year <= today.year + 2]
    windows = [cycle.window for cycle in find_cycles(today, known, [])]
    assert [window[0] for window in windows if window][: len(asked)] == asked


@pytest.mark.parametrize(
    ("year", "first", "last"),
    [
        (2022, date(2022, 11, 25), date(2022, 12, 29)),  # 31 December is a Saturday
        (2027, date(2027, 11, 19), date(2027, 12, 30)),  # a Friday, which does not count
        (2028, date(2028, 11, 24), date(2028, 12, 28)),  # a Sunday
        (2029, date(2029, 11, 23), date(2029, 12, 28)),  # a Monday: the day of work before is Friday
    ],
)
def test_the_days_of_the_annual_meeting(year: int, first: date, last: date) -> None:
    assert annual_window(year) == (first, last)


def test_nothing_is_asked_of_a_year_before_2019() -> None:
    assert annual_cycle(2018) is None


def test_another_poll_of_the_next_week_is_not_a_second_round() -> None:
    europeennes, partielle = CalendarScrutin(date(2024, 6, 9), "Élections européennes"), date(2024, 6, 16)
    assert not is_second_round(CalendarScrutin(partielle, "Municipale partielle, 1er tour"), [europeennes])
    unsaid = CalendarScrutin(date(2024, 6, 9))
    assert is_second_round(CalendarScrutin(partielle), [unsaid, CalendarScrutin(partielle)])
    polynesie = CalendarScrutin(date(2024, 6, 22), "Élections législatives, 1er tour")
    assert is_second_round(CalendarScrutin(date(2024, 7, 6), "Élections législatives, second tour"), [polynesie])


def test_the_words_of_the_commune_win_and_the_days_of_a_decree_stay() -> None:
    own = CalendarScrutin(LEGISLATIVES_2024.jour, "Élections législatives, 4e circonscription")
    (poll,) = one_a_day([LEGISLATIVES_2024, own])
    assert (poll.libelle, poll.publication_due, poll.has_commission) == (own.libelle, date(2024, 6, 15), False)
    (poll,) = one_a_day([own, LEGISLATIVES_2024])
    assert poll == LEGISLATIVES_2024
