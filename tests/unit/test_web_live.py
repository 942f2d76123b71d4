"""The watch over a commune goes on, whatever happens to one look at it."""

import asyncio
from typing import Any, cast

import pytest

from producers.state import State
from producers.web import live as module
from producers.web.live import Live
from producers.web.reading.demandes import Recent

_SECONDS = 10


def test_a_look_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def read_pulse(_state: State, commune: str) -> tuple[Any, ...]:
        looks.append(commune)
        if len(looks) == 1:
            raise ValueError("a state that this version does not know")
        return (len(looks),)

    monkeypatch.setattr(module, "read_pulse", read_pulse)
    monkeypatch.setattr(module, "read_recent", lambda *_: Recent(newest_request=7))
    monkeypatch.setattr(module, "_AWAY_SECONDS", 0.01)

    async def watch() -> Recent | None:
        with Live(cast("State", None), seconds=0.01).subscribe("13900") as subscription:
            return await subscription.wait(_SECONDS)

    assert asyncio.run(watch()) == Recent(newest_request=7)
