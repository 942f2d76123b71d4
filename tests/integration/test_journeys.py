"""A request is followed through few files, and forward: `python -m tests.journeys` shows which.

The limits are what was measured: a change may lower them, and never raises one without a word on why.
"""

from pathlib import Path

import pytest

from tests.journeys.walks import JOURNEYS, trace

pytestmark = pytest.mark.integration

LIMITS = {"liste": (58, 48, 16, 3), "ecran": (72, 50, 25, 0), "tableau": (79, 55, 25, 8)}
"""Files; hundredths of the call edges that go back, and without those that go back to the floor; edges that go up.

An edge goes back when its callee was entered before: a second caller of a shared type, of the clock, of the words of
the contract is one, and goes to the floor. The shares are of the order that no thread's speed can change (it was 43 or
47 of a list, by which thread was quicker, and its limit 45).
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", JOURNEYS)
def test_the_road_has_not_grown(name: str, tmp_path: Path) -> None:
    road = trace(name, tmp_path)
    most_files, most_back, most_jumps, most_up = LIMITS[name]
    assert len(road.files) <= most_files, road.files
    assert road.share(road.back) <= most_back, road.back
    assert road.share(road.jumps) <= most_jumps, road.jumps
    assert len(road.up) <= most_up, road.up
