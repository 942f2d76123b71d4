"""Live updates of a commune: one query per second to the database, whatever the number of open pages."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.concurrency import run_in_threadpool

from producers.errors import ProducerError
from producers.state import State
from producers.web.suivi.query import RecentActivity, read_change_marker, read_recent

log = structlog.get_logger("producers.web")

POLL_SECONDS = 1.0
_AWAY_SECONDS = 5.0
_AT_ONCE = 2
"""Concurrent work of all streams: a hundred streams reopened after a restart must not delay pages."""

_T = TypeVar("_T")


class _Channel:
    def __init__(self) -> None:
        self.listeners = 0
        self.version = 0
        self.recent = RecentActivity()
        self.changed = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None


class Subscription:
    """One connection's view of a channel: each version at most once, and only the newest."""

    def __init__(self, channel: _Channel) -> None:
        self._channel = channel
        self._seen = 0

    async def wait(self, seconds: float) -> RecentActivity | None:
        """Return the new activity, at once the first time; None after a timeout."""
        channel = self._channel
        try:
            async with asyncio.timeout(seconds), channel.changed:
                await channel.changed.wait_for(lambda: channel.version > self._seen)
                self._seen = channel.version
                return channel.recent
        except TimeoutError:
            return None


class LiveUpdates:
    """Polls the database for the communes with an open page, and for no other."""

    def __init__(self, state: State, *, seconds: float = POLL_SECONDS) -> None:
        self._state = state
        self._seconds = seconds
        self._turns = CapacityLimiter(_AT_ONCE)
        self._channels: dict[str, _Channel] = {}

    @property
    def communes(self) -> frozenset[str]:
        return frozenset(self._channels)

    async def take_turn(self, work: Callable[[], _T]) -> _T:
        """Render or query for a stream in a thread, with limited concurrency."""
        return await run_sync(work, limiter=self._turns)

    @contextmanager
    def subscribe(self, commune: str) -> Iterator[Subscription]:
        """Subscribe to a commune, inside the event loop."""
        channel = self._channels.setdefault(commune, _Channel())
        channel.listeners += 1
        if channel.task is None:
            channel.task = asyncio.create_task(self._poll(commune, channel), name=f"live {commune}")
        try:
            yield Subscription(channel)
        finally:
            channel.listeners -= 1
            if not channel.listeners:
                channel.task.cancel()
                if self._channels.get(commune) is channel:
                    del self._channels[commune]

    async def _poll(self, commune: str, channel: _Channel) -> None:
        marker = ""
        while True:
            pause = self._seconds
            try:
                if marker != await run_in_threadpool(read_change_marker, self._state, commune):
                    recent = await run_in_threadpool(read_recent, self._state, commune)
                    marker = recent.marker
                    async with channel.changed:
                        channel.recent, channel.version = recent, channel.version + 1
                        channel.changed.notify_all()
            except ProducerError as error:
                log.warning("live_without_database", commune=commune, error=error.code)
                pause = _AWAY_SECONDS
            except Exception:  # otherwise the subscribers would wait without limit
                log.exception("live_failed", commune=commune)
                pause = _AWAY_SECONDS
            await asyncio.sleep(pause)
