"""The watch of a commune continues after any error of one query."""

import asyncio
from threading import Event, Semaphore
from typing import cast

from producers.state import State
from producers.web.suivi.live_updates import LiveUpdates

_SECONDS = 10


def test_streams_that_come_at_once_draw_few_at_a_time() -> None:
    inside: list[int] = []
    came, may_end = Semaphore(0), Event()

    def draw() -> None:
        inside.append(1)
        came.release()
        assert may_end.wait(_SECONDS)

    async def come() -> int:
        live = LiveUpdates(cast("State", None))
        streams = [asyncio.create_task(live.take_turn(draw)) for _ in range(20)]
        for _ in range(2):
            await asyncio.to_thread(came.acquire)
        for _ in range(20):  # time for the other watchers, if they had a thread; pages have theirs meanwhile
            await asyncio.to_thread(lambda: None)
        drawn = len(inside)
        may_end.set()
        await asyncio.gather(*streams)
        return drawn

    assert asyncio.run(come()) == 2
    assert len(inside) == 20
