"""The day on the wall of a town hall, wherever it is."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime

import pytest

from common.calendrier import PARIS, local_day, possible_days
from worker.db.migrations.views import paris_offset

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


@pytest.mark.parametrize("day", ["2026-01-15", "2026-03-28", "2026-03-29", "2027-03-28", "2026-10-25", "2027-10-31"])
def test_sqlite_knows_the_time_in_paris(day: str) -> None:
    """It knows no time zone, and a view counts who is a minor today."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for hour in range(24):
            instant = datetime.fromisoformat(f"{day}T{hour:02}:30:00+00:00")
            utc = f"'{instant:%Y-%m-%d %H:%M:%S}'"
            (said,) = connection.execute(f"SELECT strftime('%Y-%m-%dT%H:%M', {utc}, {paris_offset(utc)})").fetchone()
            assert said == f"{instant.astimezone(PARIS):%Y-%m-%dT%H:%M}"
