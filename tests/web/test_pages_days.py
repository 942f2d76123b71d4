"""Days on pages: those of the town hall's time zone, overseas too; impossible dates are refused."""

from datetime import UTC, datetime

import pytest

from schemas.vocabulary import Liste
from tests.web.files_desk import FilesScreen, words

NOUMEA, PAPEETE = "98818", "98735"
EVENING, MORNING = datetime(2026, 11, 26, 20, 0, tzinfo=UTC), datetime(2026, 11, 26, 4, 0, tzinfo=UTC)
"""In Paris it is the 26th; in Nouméa the evening of the 27th, in Papeete the morning of the 25th."""


@pytest.fixture
def noumea(files: FilesScreen) -> FilesScreen:
    """LIBREVILLE's agent and one of its files belong to Nouméa, in the evening of Paris."""
    return _move(files, NOUMEA, EVENING)


def _move(files: FilesScreen, code: str, instant: datetime) -> FilesScreen:
    """Move the agent and a file of LIBREVILLE to another commune, requested and made just now."""
    files.make(Liste.COMPLEMENTAIRE_MUNICIPALE)
    for table in ("agent", "export", "request", "liste"):
        files.desk.run(f"UPDATE {table} SET code_commune = :code", code=code)  # noqa: S608 — our own names
    at = f"{instant:%Y-%m-%d %H:%M:%S}.000"
    files.desk.run(f"UPDATE request SET created_at = '{at}'")  # noqa: S608 — our own words
    files.desk.run(f"UPDATE export SET finished_at = '{at}', started_at = '{at}'")  # noqa: S608 — our own words
    files.commune = code
    files.set_clock(instant)
    return files


@pytest.mark.parametrize(
    ("code", "instant", "today", "hour"),
    [(NOUMEA, EVENING, "vendredi 27 novembre", 7), (PAPEETE, MORNING, "mercredi 25 novembre", 18)],
)
def test_every_day_and_hour_of_a_page_is_of_the_commune(
    files: FilesScreen, code: str, instant: datetime, today: str, hour: int
) -> None:
    screen = _move(files, code, instant)
    (export,) = screen.numbers()
    day = today.split()[1]
    assert f"Nous sommes le {today} 2026." in screen.read("taches")
    page = screen.read("export", export=export)
    assert f"Liste complémentaire municipale — {day} novembre, {hour} h 00" in page
    assert page.count(f"le {day}/11/2026 à {hour:02}:00") == 2
    found, lost = (screen.read("exports", f"du={it}&au={it}") for it in (f"2026-11-{day}", "2026-11-26"))
    assert (f"{hour} h 00" in found, f"{hour} h 00" in lost) == (True, False)


def test_a_deposit_is_of_the_day_that_it_is_in_the_town_hall(noumea: FilesScreen) -> None:
    (export,) = noumea.numbers()
    assert (
        'name="jour" id="jour" required value="2026-11-27" max="2026-11-27"'
        in noumea.get("depot", f"export={export}").text
    )
    refused = noumea.post("depot", {"export": export, "jour": "2026-11-28"})
    assert "n'est pas encore venu" in words(refused)
    assert noumea.post("depot", {"export": export, "jour": "2026-11-27"}).status_code == 303
    assert noumea.broker.events[0].data["note"]["deposited_on"] == "2026-11-27"


@pytest.mark.parametrize("query", ["au=9999-12-31", "du=0001-01-01", "du=01/01/1899", "au=01/01/2200"])
def test_a_day_that_no_calendar_holds_is_not_looked_for(files: FilesScreen, query: str) -> None:
    assert "Une date n'a pas été comprise" in files.read("exports", query)
