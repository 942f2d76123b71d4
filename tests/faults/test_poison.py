"""Some dozens of invalid messages to a running worker; `make faults` sends thousands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.poison import HAND_MADE
from tests.faults.poison_play import play
from tests.faults.poison_source import draw_poisons
from tests.parts.town import LIBREVILLE_TEMPLATE, Town

pytestmark = [pytest.mark.faults, pytest.mark.database(LIBREVILLE_TEMPLATE)]

_DRAWN = 60
_SEED = 4


@pytest.fixture
def town(postgres_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Town]:
    town = Town(postgres_url, amqp_url, tmp_path)
    yield town
    town.close()


@pytest.mark.slow
def test_each_is_put_aside_or_refused_with_its_reason_and_good_requests_are_served(town: Town) -> None:
    poisons = [poison for poison, _ in HAND_MADE.values()]
    played = play(town, [*poisons, *draw_poisons(_DRAWN, _SEED)], timeout=60)
    assert played.trouble == []
    assert played.good >= 1
    reasons = {name: played.fates.reason(poison) for name, (poison, _) in HAND_MADE.items()}
    for_its_form = "Événement illisible : "
    """Of those that say what they are called: their sender is told, in French."""
    others = {name: said for name, said in reasons.items() if not said.startswith(for_its_form)}
    assert {name: said for name, said in others.items() if not said.startswith(HAND_MADE[name][1])} == {}
