"""Event streams end by themselves: browsers come again, and rights are read again."""

from contextlib import ExitStack

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from producers.web.security.peers import client_address
from producers.web.security.rates import Rates

STREAM_SECONDS = 300
"""An agent who lost her rights, or whose session is over, sees nothing new after that."""

_EVENTS = "text/event-stream"


def is_stream(response: Response) -> bool:
    """Whether it stays open."""
    return (response.headers.get("content-type") or "").startswith(_EVENTS)


class CountedStream(Response):
    """A stream that holds one of its agent's places as long as it is open."""

    def __init__(self, stream: Response, request: Request, rates: Rates, agent: str) -> None:
        super().__init__()
        self._stream = stream
        self._place = ExitStack()
        self._place.enter_context(rates.stream(agent=agent, address=client_address(request.scope)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, until the end or the deadline."""
        has_started = has_ended = False

        async def send_watched(message: Message) -> None:
            nonlocal has_started, has_ended
            has_started = True
            has_ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        with self._place, anyio.move_on_after(STREAM_SECONDS):
            await self._stream(scope, receive, send_watched)
        if has_started and not has_ended:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
