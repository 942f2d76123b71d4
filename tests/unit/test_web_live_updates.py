"""The watch over a commune goes on, whatever happens to one look at it."""

import asyncio
from typing import Any, cast

import pytest

from producers.state import State
from producers.web.suivi import live_updates as module
from producers.web.suivi.live_updates import LiveUpdates
from producers.web.suivi.query import RecentActivity

_SECONDS = 10


def test_a_look_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def read_change_marker(_state: State, commune: str) -> tuple[Any, ...]:
        looks.append(commune)
        if len(looks) == 1:
            raise ValueError("a state that this version does not know")
        return (len(looks),)

    monkeypatch.setattr(module, "read_change_marker", read_change_marker)
    monkeypatch.setattr(module, "read_recent", lambda *_: RecentActivity(newest_request=7))
    monkeypatch.setattr(module, "_AWAY_SECONDS", 0.01)

    async def watch() -> RecentActivity | None:
        with LiveUpdates(cast("State", None), seconds=0.01).subscribe("13900") as subscription:
            return await subscription.wait(_SECONDS)

    assert asyncio.run(watch()) == RecentActivity(newest_request=7)
