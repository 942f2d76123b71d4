"""The electoral calendar: dates of circulars, préfectures' pages and decrees; the years 2019 to 2026; reminders.

Every day of the polls below was counted on a calendar by hand; none comes from the functions under test. Days of the
polls: the decrees of convocation. 30 June 2024: décret n° 2024-527 du 9 juin 2024.
"""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.calendrier import (
    CalendarReunion,
    CalendarScrutin,
    additions_on,
    annual_cycle,
    annual_window,
    cloture,
    cloture_before,
    counted_back,
    cycle_of,
    find_cycles,
    is_mineur,
    is_poll_day,
    is_second_round,
    last_day_to_consult,
    last_day_to_register,
    meeting_before,
    one_a_day,
    why_too_short,
)
from common.law import CINQ_JOURS_REU, VINGT_JOURS
from producers.web.echeances import build_agenda
from schemas.tableaux import TypeTableau
from tests.unit.mail_samples import deadline
from worker.housekeeping.housekeeping import find_deadlines, stage
from worker.notifier.messages.deadlines import COMMISSION, WITHDRAWAL, describe_deadlines
from worker.notifier.messages.text import Text
from worker.notifier.models import Deadline

PRESIDENTIELLE_2022 = date(2022, 4, 10)


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (2013, date(2013, 2, 28)),
        (2016, date(2016, 2, 29)),
        (2000, date(2000, 2, 29)),
        (1900, date(1900, 2, 28)),
    ],
)
def test_the_list_is_closed_on_the_last_day_of_february(year: int, expected: date) -> None:
    assert cloture(year) == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2014, 3, 23), date(2014, 2, 28)),
        (date(2014, 2, 28), date(2013, 2, 28)),
        (date(2016, 3, 1), date(2016, 2, 29)),
        (date(2017, 2, 5), date(2016, 2, 29)),
    ],
)
def test_a_poll_follows_the_last_closing_before_it(day: date, expected: date) -> None:
    assert cloture_before(day) == expected


def test_the_additions_of_a_poll_in_april_2017() -> None:
    assert additions_on(date(2017, 4, 23)) == date(2017, 2, 6)


@pytest.mark.parametrize("scrutin", [date(2014, 3, 23), date(2013, 2, 10), date(2013, 1, 20)])
def test_additions_do_not_exist_before_april(scrutin: date) -> None:
    assert additions_on(scrutin) is None


@pytest.mark.parametrize(
    ("scrutin", "expected"),
    [
        (date(2020, 3, 15), date(2020, 2, 7)),
        (PRESIDENTIELLE_2022, date(2022, 3, 4)),
        (PRESIDENTIELLE_2022 - timedelta(days=1), date(2022, 3, 4)),
        (date(2024, 6, 9), date(2024, 5, 3)),
        (date(2019, 5, 26), None),
    ],
)
def test_people_register_until_the_sixth_friday_before_the_poll(
    scrutin: date, expected: date | None
) -> None:
    assert last_day_to_register(scrutin) == expected


def test_only_a_meeting_of_those_days_counts_and_the_last_one() -> None:
    days = [date(2022, 3, 16), date(2022, 3, 17), date(2022, 3, 19), date(2022, 3, 21)]
    assert meeting_before(PRESIDENTIELLE_2022, days) == date(2022, 3, 19)
    assert meeting_before(PRESIDENTIELLE_2022, [date(2022, 3, 16), date(2022, 3, 21)]) is None


def test_overseas_days_are_counted_from_the_saturday() -> None:
    samedi = PRESIDENTIELLE_2022 - timedelta(days=1)
    assert [one.due_on for one in cycle_of(CalendarScrutin(samedi)).due] == [
        date(2022, 3, 20),
        date(2022, 4, 4),
    ]


@pytest.mark.parametrize(
    ("day", "commune", "expected"),
    [
        (date(2022, 4, 10), "13055", True),
        (date(2022, 4, 9), "13055", False),
        (date(2022, 4, 9), "97105", True),  # Basse-Terre
        (date(2022, 4, 9), "98735", True),  # Papeete
        (date(2022, 4, 9), "97411", False),  # Saint-Denis de La Réunion votes on Sunday
        (date(2022, 4, 8), "97105", False),
    ],
)
def test_people_vote_on_sunday_and_overseas_on_saturday(
    day: date, commune: str, *, expected: bool
) -> None:
    assert is_poll_day(day, commune) is expected


def test_a_tableau_can_be_consulted_for_seven_days() -> None:
    assert last_day_to_consult(date(2026, 11, 28)) == date(2026, 12, 5)


def test_the_tableau_of_five_days_stays_until_the_poll() -> None:
    """Code électoral, art. R. 14: « au plus tard cinq jours avant le scrutin et jusqu'à celui-ci »."""
    first, poll = date(2027, 4, 6), date(2027, 4, 11)
    eve = poll - timedelta(days=1)
    reason = why_too_short("cinq_jours_reu", first, eve, poll.isoformat())
    assert reason.endswith("jusqu'au scrutin (art. R. 14), jusqu'au 11/04/2027 au moins")
    assert why_too_short("cinq_jours_reu", first, poll, poll.isoformat()) == ""
    assert why_too_short("cinq_jours", first, first, poll.isoformat()) == ""


@given(st.dates(date(1998, 1, 1), date(2099, 12, 31)))
def test_j_20_and_j_5_are_calendar_days(scrutin: date) -> None:
    assert (scrutin - counted_back("vingt_jours", scrutin)).days == 20
    assert counted_back("cinq_jours_reu", scrutin).weekday() == (scrutin.weekday() + 2) % 7
    assert all(one.due_on < scrutin for one in cycle_of(CalendarScrutin(scrutin)).due)
    assert cloture_before(scrutin) < scrutin <= cloture_before(scrutin) + timedelta(days=366)


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
SECOND_ROUNDS = [
    date(2021, 6, 27),
    date(2022, 4, 24),
    date(2022, 6, 19),
    date(2024, 7, 7),
    date(2026, 3, 22),
]
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
    assert [(one.type, one.due_on) for one in cycle.due] == [
        (VINGT_JOURS, published),
        (CINQ_JOURS_REU, five_days),
    ]
    assert [one.titre for one in build_agenda(cycle, [], ["P"]).due] == [
        OF_TWENTY_DAYS,
        OF_FIVE_DAYS,
    ]


@pytest.mark.parametrize("jour", FIRST_ROUNDS)
def test_the_first_tableau_is_published_the_day_after_the_meeting(jour: date) -> None:
    first, _, published, _ = FIRST_ROUNDS[jour]
    held = [CalendarReunion(first), CalendarReunion(jour)]
    assert cycle_of(BY_DAY[jour], held, POLLS).due[0].due_on == date.fromordinal(
        first.toordinal() + 1
    )
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
    meeting = replace(
        LEGISLATIVES_2024, reunion_first=date(2024, 6, 12), reunion_last=date(2024, 6, 14)
    )
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
    cycle = annual_cycle(date(year, 1, 1), year, [], POLLS)
    assert (cycle and cycle.window) == WITHOUT_A_POLL.get(year)
    if cycle:
        assert (cycle.due, cycle.reference_legale) == (
            (),
            "Code électoral, art. L. 19, III et R. 10",
        )


@pytest.mark.parametrize(("year", "held"), [(2023, date(2023, 12, 14)), (2025, date(2025, 3, 4))])
def test_the_tableau_of_a_year_without_a_poll_follows_its_meeting(year: int, held: date) -> None:
    cycle = annual_cycle(held, year, [CalendarReunion(held)], POLLS)
    assert cycle is not None
    (due,) = build_agenda(cycle, [], ["P"]).due
    assert (due.type, due.day, due.titre) == (
        VINGT_JOURS,
        date.fromordinal(held.toordinal() + 1),
        OF_MEETING,
    )
    assert due.echeance.reference_legale == "Code électoral, art. L. 19, L. 19-1, L. 20 et R. 13"


@pytest.mark.parametrize(
    ("today", "asked"),
    [
        (date(2019, 4, 1), [date(2019, 5, 2), date(2020, 2, 20)]),
        (date(2022, 4, 11), [date(2022, 5, 19)]),
        (date(2022, 12, 1), [date(2022, 11, 25), date(2024, 5, 16)]),
        (date(2023, 1, 2), [date(2022, 11, 25), date(2023, 11, 24), date(2024, 5, 16)]),
        (date(2023, 12, 30), [date(2023, 11, 24), date(2024, 5, 16)]),
        (date(2024, 1, 31), [date(2023, 11, 24), date(2024, 5, 16)]),
        (date(2024, 2, 1), [date(2024, 5, 16)]),
        (date(2024, 6, 10), [date(2024, 11, 22), date(2026, 2, 19)]),
        (date(2025, 6, 1), [date(2025, 11, 21), date(2026, 2, 19)]),
        (date(2026, 11, 29), [date(2026, 11, 20)]),
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
        (
            2029,
            date(2029, 11, 23),
            date(2029, 12, 28),
        ),  # a Monday: the day of work before is Friday
    ],
)
def test_the_days_of_the_annual_meeting(year: int, first: date, last: date) -> None:
    assert annual_window(year) == (first, last)


def test_nothing_is_asked_of_a_year_before_2019() -> None:
    assert annual_cycle(date(2018, 12, 1), 2018) is None


def test_another_poll_of_the_next_week_is_not_a_second_round() -> None:
    europeennes, partielle = (
        CalendarScrutin(date(2024, 6, 9), "Élections européennes"),
        date(2024, 6, 16),
    )
    assert not is_second_round(
        CalendarScrutin(partielle, "Municipale partielle, 1er tour"), [europeennes]
    )
    unsaid = CalendarScrutin(date(2024, 6, 9))
    assert is_second_round(CalendarScrutin(partielle), [unsaid, CalendarScrutin(partielle)])
    polynesie = CalendarScrutin(date(2024, 6, 22), "Élections législatives, 1er tour")
    assert is_second_round(
        CalendarScrutin(date(2024, 7, 6), "Élections législatives, second tour"), [polynesie]
    )


@pytest.mark.parametrize(("days", "is_second"), [(13, True), (14, True), (15, False)])
def test_a_poll_is_a_second_round_until_the_fourteenth_day(days: int, *, is_second: bool) -> None:
    first = CalendarScrutin(date(2026, 3, 15), "Élections municipales, 1er tour")
    other = CalendarScrutin(first.jour + timedelta(days=days), "Élections municipales, 2nd tour")
    assert is_second_round(other, [first, other]) is is_second


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        ("2008-03-01", False),  # 18 years old on that day
        ("2008-03-02", True),
        ("2010-03-01", True),  # 16 years old on that day
        ("2010-03-02", False),  # too young to be on a list: a mistake
    ],
)
def test_a_minor_is_between_sixteen_and_eighteen_years_old(born: str, *, expected: bool) -> None:
    assert is_mineur(born, date(2026, 3, 1)) is expected


def test_the_words_of_the_commune_win_and_the_days_of_a_decree_stay() -> None:
    own = CalendarScrutin(LEGISLATIVES_2024.jour, "Élections législatives, 4e circonscription")
    (poll,) = one_a_day([LEGISLATIVES_2024, own])
    assert (poll.libelle, poll.publication_due, poll.has_commission) == (
        own.libelle,
        date(2024, 6, 15),
        False,
    )
    (poll,) = one_a_day([own, LEGISLATIVES_2024])
    assert poll == LEGISLATIVES_2024


SCRUTIN = date(2027, 4, 11)
MEETING = deadline(
    COMMISSION, date(2027, 3, 18), date(2027, 3, 21), SCRUTIN, "Élections municipales"
)
VINGT = deadline(TypeTableau.VINGT_JOURS, date(2027, 3, 22), date(2027, 3, 22), SCRUTIN, "")
CINQ = deadline(TypeTableau.CINQ_JOURS_REU, date(2027, 4, 6), date(2027, 4, 6), SCRUTIN, "")
POLL, TODAY = CalendarScrutin(SCRUTIN), date(2027, 3, 1)


def facts(*deadlines: Deadline) -> list[tuple[object, ...]]:
    return [(it.echeance, it.due_on, it.until, it.scrutin, it.libelle) for it in deadlines]


def meetings(*days: date) -> list[CalendarReunion]:
    return [CalendarReunion(day) for day in days]


RETRAIT = deadline(
    WITHDRAWAL, date(2027, 3, 30), date(2027, 4, 5), None, "Tableau des vingt jours, liste P"
)


def test_a_poll_asks_for_a_meeting_and_two_tableaux() -> None:
    unnamed = deadline(COMMISSION, MEETING.due_on, MEETING.until, SCRUTIN)
    assert facts(*find_deadlines(TODAY, [POLL], [])) == facts(unnamed, VINGT, CINQ)


def test_a_meeting_that_is_known_is_not_reminded_of_and_moves_the_first_tableau() -> None:
    vingt, cinq = find_deadlines(TODAY, [POLL], meetings(date(2026, 9, 1), date(2027, 3, 19)))
    assert (vingt.echeance, vingt.due_on) == (TypeTableau.VINGT_JOURS, date(2027, 3, 20))
    assert facts(cinq) == facts(CINQ)


def test_a_meeting_outside_of_the_days_of_the_law_does_not_count() -> None:
    early, meeting, *_ = find_deadlines(
        TODAY, [POLL], meetings(date(2027, 3, 17), date(2027, 3, 22))
    )
    assert (meeting.due_on, meeting.until, meeting.scrutin) == (
        MEETING.due_on,
        MEETING.until,
        SCRUTIN,
    )
    assert (early.scrutin, early.due_on) == (None, date(2027, 3, 18)), (
        "its own tableau, the day after"
    )


def test_the_meeting_of_a_year_is_reminded_of_at_its_beginning_and_its_end() -> None:
    first, last = date(2025, 11, 21), date(2025, 12, 30)
    assert facts(*find_deadlines(date(2025, 11, 1), [], [])) == [
        (COMMISSION, first, last, None, ""),
        (COMMISSION, last, last, None, ""),
    ]
    held = list(find_deadlines(date(2025, 12, 16), [], meetings(date(2025, 12, 15))))
    assert facts(*held) == [
        (TypeTableau.VINGT_JOURS, date(2025, 12, 16), date(2025, 12, 16), None, "")
    ]
    text = describe(*held, today=date(2025, 12, 16)).mail
    assert "Tableau des inscriptions et radiations" in text
    assert "vingt jours" not in text
    assert "Scrutin" not in text
    assert "Textes : Code électoral, art. L. 19, L. 19-1, L. 20 et R. 13" in text


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (30, None),
        (11, None),
        (10, 10),
        (9, 10),
        (4, 10),
        (3, 3),
        (1, 3),
        (0, 3),
        (-1, None),
        (-30, None),
    ],
)
def test_the_reminder_of_a_day(left: int, expected: int | None) -> None:
    assert stage(VINGT, VINGT.due_on - timedelta(days=left), (10, 3)) == expected


def test_a_poll_is_in_the_calendar_on_its_own_day_and_gone_the_day_after() -> None:
    poll = CalendarScrutin(date(2024, 6, 9), "Élections européennes")

    def list_polls(today: date) -> list[CalendarScrutin]:
        return [it.scrutin for it in find_cycles(today, [poll], []) if it.scrutin]

    assert list_polls(poll.jour) == [poll]
    assert list_polls(poll.jour + timedelta(days=1)) == []


@pytest.mark.parametrize(("day", "expected"), [(18, 3), (21, 3), (22, None)])
def test_a_meeting_is_reminded_of_until_its_last_day(day: int, expected: int | None) -> None:
    assert stage(MEETING, date(2027, 3, day), (10, 3)) == expected


def describe(*deadlines: Deadline, today: date = date(2027, 3, 12)) -> Text:
    return describe_deadlines(
        deadlines,
        commune="13900",
        lieu="LIBREVILLE (13900)",
        today=today,
        public_url="https://prefecture.example.org",
    )


@pytest.mark.parametrize(
    ("deadlines", "today", "subject"),
    [
        (
            [VINGT],
            date(2027, 3, 12),
            "Rappel — Tableau des vingt jours : dans 10 jours — LIBREVILLE (13900)",
        ),
        (
            [VINGT],
            date(2027, 3, 21),
            "Rappel — Tableau des vingt jours : demain — LIBREVILLE (13900)",
        ),
        (
            [VINGT],
            date(2027, 3, 22),
            "Rappel — Tableau des vingt jours : aujourd'hui — LIBREVILLE (13900)",
        ),
        (
            [MEETING],
            date(2027, 3, 19),
            "Rappel — Réunion de la commission de contrôle : jusqu'au dimanche 21 mars 2027 — LIBREVILLE (13900)",
        ),
        (
            [RETRAIT],
            date(2027, 3, 30),
            "Rappel — Retrait du tableau publié : aujourd'hui — LIBREVILLE (13900)",
        ),
        (
            [RETRAIT],
            date(2027, 4, 1),
            "Rappel — Retrait du tableau publié : depuis le mardi 30 mars 2027 — LIBREVILLE (13900)",
        ),
        (
            [CINQ, VINGT],
            date(2027, 3, 12),
            "Rappel — 2 échéances, la première dans 10 jours — LIBREVILLE (13900)",
        ),
    ],
)
def test_the_subject_says_what_and_when(
    deadlines: list[Deadline], today: date, subject: str
) -> None:
    assert describe(*deadlines, today=today).subject == subject
