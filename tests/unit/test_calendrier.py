"""The electoral calendar: dates written in circulars, préfectures' pages and decrees."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.calendrier import (
    additions_on,
    cloture,
    cloture_before,
    days_before,
    is_poll_day,
    last_day_to_consult,
    last_day_to_register,
    meeting_before,
    regime_on,
    tableaux_of_scrutin,
)
from common.law import Regime
from schemas.tableaux import TypeTableau

PRESIDENTIELLE_2022 = date(2022, 4, 10)


@pytest.mark.parametrize(
    ("year", "expected"),
    [(2013, date(2013, 2, 28)), (2016, date(2016, 2, 29)), (2000, date(2000, 2, 29)), (1900, date(1900, 2, 28))],
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


def test_the_tableaux_of_a_poll_in_april_2017() -> None:
    additions, cinq_jours = tableaux_of_scrutin(date(2017, 4, 23))
    assert (additions.type, additions.due_on) == (TypeTableau.ADDITIONS, date(2017, 2, 6))
    assert (cinq_jours.type, cinq_jours.due_on) == (TypeTableau.CINQ_JOURS, date(2017, 4, 18))
    assert additions.regime is cinq_jours.regime is Regime.REVISION_ANNUELLE
    assert "L. 33" in cinq_jours.reference_legale


@pytest.mark.parametrize("scrutin", [date(2014, 3, 23), date(2013, 2, 10), date(2013, 1, 20)])
def test_additions_do_not_exist_before_april(scrutin: date) -> None:
    assert additions_on(scrutin) is None
    assert [one.type for one in tableaux_of_scrutin(scrutin)] == [TypeTableau.CINQ_JOURS]


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
def test_people_register_until_the_sixth_friday_before_the_poll(scrutin: date, expected: date | None) -> None:
    assert last_day_to_register(scrutin) == expected


def test_only_a_meeting_of_those_days_counts_and_the_last_one() -> None:
    days = [date(2022, 3, 16), date(2022, 3, 17), date(2022, 3, 19), date(2022, 3, 21)]
    assert meeting_before(PRESIDENTIELLE_2022, days) == date(2022, 3, 19)
    assert meeting_before(PRESIDENTIELLE_2022, [date(2022, 3, 16), date(2022, 3, 21)]) is None


def test_overseas_days_are_counted_from_the_saturday() -> None:
    samedi = PRESIDENTIELLE_2022 - timedelta(days=1)
    assert [one.due_on for one in tableaux_of_scrutin(samedi)] == [date(2022, 3, 20), date(2022, 4, 4)]


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
def test_people_vote_on_sunday_and_overseas_on_saturday(day: date, commune: str, *, expected: bool) -> None:
    assert is_poll_day(day, commune) is expected


def test_the_regime_changes_on_1_january_2019() -> None:
    assert regime_on(date(2018, 12, 31)) is Regime.REVISION_ANNUELLE
    assert regime_on(date(2019, 1, 1)) is Regime.REPERTOIRE_UNIQUE


def test_a_tableau_can_be_consulted_for_seven_days() -> None:
    assert last_day_to_consult(date(2026, 11, 28)) == date(2026, 12, 5)


@given(st.dates(date(1998, 1, 1), date(2099, 12, 31)))
def test_j_20_and_j_5_are_calendar_days(scrutin: date) -> None:
    assert (scrutin - days_before(scrutin, 20)).days == 20
    assert days_before(scrutin, 5).weekday() == (scrutin.weekday() + 2) % 7
    assert all(one.due_on < scrutin for one in tableaux_of_scrutin(scrutin))
    assert cloture_before(scrutin) < scrutin <= cloture_before(scrutin) + timedelta(days=366)
