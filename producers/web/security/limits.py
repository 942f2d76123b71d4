"""How much and how often: bodies, rates, event streams; one agent does not take the screen from the others."""

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Literal

import anyio
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

FORM_BYTES = 1 << 20
FILE_BYTES = 512 << 20
"""Larger than any file that the worker makes; read in pieces, kept on the disk while the page looks at it."""

Act = Literal["download", "login", "post"]

RATES: MappingProxyType[Act, tuple[RateLimitItem, RateLimitItem]] = MappingProxyType(
    {
        "download": (parse("120/minute"), parse("600/minute")),
        "login": (parse("30/minute"), parse("60/minute")),
        "post": (parse("120/minute"), parse("600/minute")),
    }
)
"""For one agent, and for one address: a town hall may have one address for all its agents."""

STREAMS_OF_AN_AGENT, STREAMS_OF_AN_ADDRESS = 12, 200
"""Open at the same time; a browser opens six to one site at most."""

STREAM_SECONDS = 300
"""An agent who lost her rights, or whose session is over, sees nothing new after that."""

_EVENTS = "text/event-stream"


def client_address(scope: Scope) -> str:
    """The client's address, as well as it is known."""
    client = scope.get("client")
    return str(client[0]) if client else "?"


def limit_body(request: Request, most: int) -> Request:
    """The same request, whose body ends by an error past `most` bytes, whether or not it announced its size.

    Raises:
        HTTPException: 413, it announces more; or while it is read.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise HTTPException(413)
    left = most
    receive = request.receive

    async def receive_limited() -> Message:
        nonlocal left
        message = await receive()
        if message["type"] == "http.request":
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413)
        return message

    return Request(request.scope, receive_limited)


class RateLimits:
    """Remembers what was done in the last minute, and which event streams are open."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._open: Counter[str] = Counter()

    def count(self, act: Act, *, agent: str = "", address: str) -> None:
        """Note one more.

        Raises:
            HTTPException: 429, with the seconds to wait: it was not counted.
        """
        of_agent, of_address = RATES[act]
        for item, key in ((of_agent, f"agent:{agent}" if agent else ""), (of_address, f"address:{address}")):
            if key and not self._limiter.hit(item, act, key):
                reset = self._limiter.get_window_stats(item, act, key).reset_time
                raise _too_many(max(1, math.ceil(reset - time.time())))

    @contextmanager
    def stream(self, *, agent: str, address: str) -> Iterator[None]:
        """Hold a place for an open stream.

        Raises:
            HTTPException: 429, there are too many.
        """
        places = ((f"agent:{agent}", STREAMS_OF_AN_AGENT), (f"address:{address}", STREAMS_OF_AN_ADDRESS))
        if any(self._open[key] >= most for key, most in places):
            raise _too_many(60)
        keys = [key for key, _ in places]
        self._open.update(keys)
        try:
            yield
        finally:
            self._open.subtract(keys)
            for key in keys:
                if not self._open[key]:
                    del self._open[key]


def _too_many(seconds: int) -> HTTPException:
    return HTTPException(429, headers={"Retry-After": str(seconds)})


def is_stream(response: Response) -> bool:
    """Whether it stays open."""
    return (response.headers.get("content-type") or "").startswith(_EVENTS)


class CountedStream(Response):
    """A stream that holds one of its agent's places as long as it is open."""

    def __init__(self, stream: Response, request: Request, rates: RateLimits, agent: str) -> None:
        super().__init__()
        self._stream = stream
        self._place = ExitStack()
        self._place.enter_context(rates.stream(agent=agent, address=client_address(request.scope)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, until the end or the deadline."""
        has_started = has_ended = False

        async def send_noting_end(message: Message) -> None:
            nonlocal has_started, has_ended
            has_started = True
            has_ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        with self._place, anyio.move_on_after(STREAM_SECONDS):
            await self._stream(scope, receive, send_noting_end)
        if has_started and not has_ended:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
