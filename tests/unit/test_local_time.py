"""The day on the wall of a town hall, wherever it is."""

from datetime import UTC, date, datetime

import pytest

from common.clock import local_day, possible_days

EVENING, MORNING = datetime(2026, 11, 26, 21, 0, tzinfo=UTC), datetime(2026, 11, 26, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("commune", "evening", "morning"),
    [
        ("13055", 26, 26),
        ("2A004", 26, 26),
        ("97411", 27, 26),  # Saint-Denis de La Réunion
        ("97209", 26, 26),  # Fort-de-France, midnight
        ("97502", 26, 26),
        ("98613", 27, 26),  # Wallis
        ("98735", 26, 25),  # Papeete
        ("98818", 27, 26),  # Nouméa
        ("98411", 26, 26),  # nobody's
    ],
)
def test_each_has_its_own_and_the_worker_takes_it(commune: str, evening: int, morning: int) -> None:
    for instant, day in ((EVENING, evening), (MORNING, morning)):
        found = local_day(instant, commune)
        assert found == date(2026, 11, day)
        first, last = possible_days(instant, commune)
        assert first <= found <= last
