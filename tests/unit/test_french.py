"""French words and sort order; the civil day and time of a commune in any time zone."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.calendrier import PARIS, civil_day, civil_time, shared_day, zone_of
from common.french import (
    at_commune,
    count_in_words,
    format_moment,
    format_second_with_zone,
    long_date,
    number_in_words,
    of_commune,
)
from worker.domain.identite import sort_key
from worker.registre.reference import iter_communes


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zéro"),
        (21, "vingt et un"),
        (81, "quatre-vingt-un"),
        (200_080, "deux cent mille quatre-vingts"),
        (1_840_917, "un million huit cent quarante mille neuf cent dix-sept"),
        (200_000_000, "deux cents millions"),
    ],
)
def test_numbers_in_words(number: int, words: str) -> None:
    assert number_in_words(number) == words


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "zéro (0) électeur"),
        (1, "un (1) électeur"),
        (12, "douze (12) électeurs"),
        (1200, "mille deux cents (1\u202f200) électeurs"),
        (2_000_000, "deux millions (2\u202f000\u202f000) d’électeurs"),
    ],
)
def test_electors_are_counted_in_words_and_figures(number: int, expected: str) -> None:
    assert count_in_words(number, "électeur") == expected


def test_dates() -> None:
    assert long_date(date(2016, 2, 29)) == "29 février 2016"
    assert long_date(date(2015, 3, 1)) == "1er mars 2015"


@pytest.mark.parametrize(
    ("nom", "of", "at"),
    [
        ("LIBREVILLE", "de LIBREVILLE", "à LIBREVILLE"),
        ("Arles", "d’Arles", "à Arles"),
        ("Étampes", "d’Étampes", "à Étampes"),
        ("Hyères", "d’Hyères", "à Hyères"),
        ("Houilles", "de Houilles", "à Houilles"),
        ("YUTZ", "de YUTZ", "à YUTZ"),
        ("Yvetot", "d’Yvetot", "à Yvetot"),
        ("Le Havre", "du Havre", "au Havre"),
        ("LES ABYMES", "des ABYMES", "aux ABYMES"),
        ("La Rochelle", "de La Rochelle", "à La Rochelle"),
        ("L'Abergement-Clémenciat", "de L'Abergement-Clémenciat", "à L'Abergement-Clémenciat"),
        ("Lesparre", "de Lesparre", "à Lesparre"),
    ],
)
def test_the_words_before_a_commune(nom: str, of: str, at: str) -> None:
    assert (of_commune(nom), at_commune(nom)) == (of, at)


@pytest.mark.parametrize(
    "names",
    [
        ["EBERT", "ÉCLAIR", "ECU"],
        ["Ebert", "Éclair", "Ecu"],
        ["COTE", "COTÉ", "CÔTE", "CÔTÉ", "COTEAU"],
        ["LE BRUN", "LE-BRUN", "LEBLANC", "LEBRUN"],
        ["D'AUBIGNÉ", "DANTON", "DAUBIGNY"],
        ["LUC", "Łukasz", "LUXE"],
        ["ODE", "ŒUVRE", "OFFENBACH"],
        ["Nagy", "NAGYŐ", "NAGYS"],
        ["SAINT-PIERRE", "SAINTE"],
        ["Stefan", "Ștefan", "STEFANI"],
    ],
)
def test_names_are_in_french_order(names: list[str]) -> None:
    assert sorted({*names}, key=sort_key) == names


@pytest.mark.slow
@given(st.text(max_size=8), st.text(max_size=8))
def test_the_order_has_no_ties(one: str, other: str) -> None:
    assert (sort_key(one) == sort_key(other)) == (one == other)


EVENING, MORNING = (
    datetime(2026, 11, 26, 21, 0, tzinfo=UTC),
    datetime(2026, 11, 26, 4, 0, tzinfo=UTC),
)
PAPEETE, NOUMEA = "98735", "98818"


@pytest.mark.parametrize(
    ("commune", "evening", "morning", "clock"),
    [
        ("13055", 26, 26, "22:00"),
        ("2A004", 26, 26, "22:00"),
        ("97105", 26, 26, "17:00"),  # Basse-Terre
        ("97209", 26, 26, "17:00"),  # Fort-de-France, midnight
        ("97302", 26, 26, "18:00"),  # Cayenne
        ("97411", 27, 26, "01:00"),  # Saint-Denis de La Réunion
        ("97502", 26, 26, "18:00"),
        ("97608", 27, 26, "00:00"),  # Mamoudzou
        ("97701", 26, 26, "17:00"),
        ("97801", 26, 26, "17:00"),
        ("98613", 27, 26, "09:00"),  # Wallis
        (PAPEETE, 26, 25, "11:00"),
        ("98731", 26, 25, "11:30"),  # Nuku-Hiva
        ("98719", 26, 25, "12:00"),  # Gambier
        (NOUMEA, 27, 26, "08:00"),
        ("98411", 26, 26, "22:00"),  # no commune has that code
    ],
)
def test_each_commune_has_its_own(commune: str, evening: int, morning: int, clock: str) -> None:
    for instant, day in ((EVENING, evening), (MORNING, morning)):
        assert civil_day(instant, commune) == date(2026, 11, day)
    assert f"{civil_time(EVENING, commune):%H:%M}" == clock
    assert format_moment(EVENING, commune) == f"{evening}/11/2026 à {clock}"


def test_every_commune_overseas_has_a_zone_of_its_own() -> None:
    codes = [code for code, *_ in iter_communes()]
    no_town_hall = ("984", "989")  # the districts of the Terres australes, and Clipperton
    overseas = [
        code
        for code in codes
        if code.startswith(("97", "98")) and not code.startswith(no_town_hall)
    ]
    assert len(overseas) > 200
    assert not [code for code in overseas if zone_of(code) is PARIS]
    assert {zone_of(code) for code in codes if code[:2] not in {"97", "98"}} == {PARIS}


def test_communes_of_several_zones_share_the_day_of_paris() -> None:
    assert shared_day(MORNING, ["98735", "98712"]) == date(2026, 11, 25)
    assert shared_day(MORNING, ["98735", "98818"]) == shared_day(MORNING, []) == date(2026, 11, 26)


def test_a_mail_says_whose_hour_it_is() -> None:
    assert format_second_with_zone(EVENING, "13055") == "26/11/2026 à 22:00:00 (heure de Paris)"
    assert format_second_with_zone(EVENING, PAPEETE) == "26/11/2026 à 11:00:00 (heure locale)"
