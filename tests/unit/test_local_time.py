"""The civil day and time of a commune in any time zone."""

from datetime import UTC, date, datetime

import pytest

from common.calendrier import PARIS, civil_day, civil_time, shared_day, zone_of
from common.french import format_moment, format_second_with_zone
from worker.registre.reference import iter_communes

EVENING, MORNING = datetime(2026, 11, 26, 21, 0, tzinfo=UTC), datetime(2026, 11, 26, 4, 0, tzinfo=UTC)
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
    codes = [it.code for it in iter_communes()]
    no_town_hall = ("984", "989")  # the districts of the Terres australes, and Clipperton
    overseas = [code for code in codes if code.startswith(("97", "98")) and not code.startswith(no_town_hall)]
    assert len(overseas) > 200
    assert not [code for code in overseas if zone_of(code) is PARIS]
    assert {zone_of(code) for code in codes if code[:2] not in {"97", "98"}} == {PARIS}


def test_communes_of_several_zones_share_the_day_of_paris() -> None:
    assert shared_day(MORNING, ["98735", "98712"]) == date(2026, 11, 25)
    assert shared_day(MORNING, ["98735", "98818"]) == shared_day(MORNING, []) == date(2026, 11, 26)


def test_a_mail_says_whose_hour_it_is() -> None:
    assert format_second_with_zone(EVENING, "13055") == "26/11/2026 à 22:00:00 (heure de Paris)"
    assert format_second_with_zone(EVENING, PAPEETE) == "26/11/2026 à 11:00:00 (heure locale)"
