"""Days, as pages take them: those of the town hall, overseas too, and none that no calendar holds."""

from datetime import UTC, datetime

import pytest

from schemas.vocabulary import Liste
from tests.web.files_desk import FilesScreen, words

NOUMEA = "98818"
EVENING = datetime(2026, 11, 26, 20, 0, tzinfo=UTC)
"""Paris has the 26th, Nouméa the 27th."""


@pytest.fixture
def noumea(files: FilesScreen) -> FilesScreen:
    """LIBREVILLE's agent and one of its files are Nouméa's, in the evening of Paris."""
    files.make(Liste.COMPLEMENTAIRE_MUNICIPALE)
    for table in ("agent", "export"):
        files.desk.run(f"UPDATE {table} SET code_commune = :code", code=NOUMEA)  # noqa: S608 — our own names
    files.commune = NOUMEA
    files.set_clock(EVENING)
    return files


def test_a_deposit_is_of_the_day_that_it_is_in_the_town_hall(noumea: FilesScreen) -> None:
    (export,) = noumea.numbers()
    assert (
        'name="jour" id="jour" required value="2026-11-27" max="2026-11-27"'
        in noumea.get("depot", f"export={export}").text
    )
    refused = noumea.post("depot", {"export": export, "jour": "2026-11-28"})
    assert "n'est pas encore venu" in words(refused)
    assert noumea.post("depot", {"export": export, "jour": "2026-11-27"}).status_code == 303
    assert noumea.broker.events[0].data["deposited_on"] == "2026-11-27"


@pytest.mark.parametrize("query", ["au=9999-12-31", "du=0001-01-01", "du=01/01/1899", "au=01/01/2200"])
def test_a_day_that_no_calendar_holds_is_not_looked_for(files: FilesScreen, query: str) -> None:
    assert "Une date n'a pas été comprise" in files.read("exports", query)
