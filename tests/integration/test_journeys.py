"""A request is followed through few files, and forward: `python -m tests.journeys` shows which.

The limits are what was measured: a change may lower them, and never raises one without a word on why.
"""

from pathlib import Path

import pytest

from tests.journeys.walks import JOURNEYS, trace

pytestmark = pytest.mark.integration

LIMITS = {"liste": (66, 47, 4), "ecran": (76, 47, 1), "tableau": (91, 51, 11)}
"""Files, hundredths of the call edges that go back, edges that go up.

Four, four and ten files more than before a request may be awaited (`parked`), a file says what it rests on (`chain`),
an elector has facts (`suspects`, `age`, `differences`), and a tableau cites the law, is reconciled, and asks the list's
check about those who come.
"""


@pytest.mark.parametrize("name", JOURNEYS)
def test_the_road_has_not_grown(name: str, tmp_path: Path) -> None:
    road = trace(name, tmp_path)
    most_files, most_back, most_up = LIMITS[name]
    assert len(road.files) <= most_files, road.files
    assert road.share <= most_back, road.back
    assert len(road.up) <= most_up, road.up
