"""The board as an event stream: whole at each connection, then at each change, as long as the agent may see it."""

import time
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from producers.errors import ProducerError
from producers.web.pages.suivi import render_board
from producers.web.security.session import require_agent
from producers.web.visit import Visit

HEARTBEAT_SECONDS = 15
"""Less than what proxies wait for; also how often the agent's rights are read again."""


def follow(visit: Visit) -> Response:
    """The stream."""
    return EventSourceResponse(_events(visit), ping=HEARTBEAT_SECONDS, headers={"Cache-Control": "no-store"})


async def _events(visit: Visit) -> AsyncIterator[ServerSentEvent]:
    checked_at = time.monotonic()
    with visit.screen.live.subscribe(visit.commune.code) as subscription:
        while True:
            recent = await subscription.wait(HEARTBEAT_SECONDS)
            if time.monotonic() - checked_at >= HEARTBEAT_SECONDS:
                if not await run_in_threadpool(_is_still_hers, visit):
                    return
                checked_at = time.monotonic()
            if recent is not None:
                try:
                    html = await run_in_threadpool(render_board, visit, recent)
                except ProducerError:
                    return  # the page connects again by itself
                yield ServerSentEvent(data=html)


def _is_still_hers(visit: Visit) -> bool:
    try:
        agent = require_agent(visit.request, visit.screen.identity)
    except ProducerError:
        return True  # the database is away for a moment: her rights are as they were
    except HTTPException:
        return False
    return agent.name == visit.agent.name and agent.commune(visit.commune.code) is not None
