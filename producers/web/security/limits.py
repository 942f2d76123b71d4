"""How much and how often: bodies, rates, event streams; one agent does not take the screen from the others."""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
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

BACKUP_BYTES = 8 << 30
"""The register and every file that is kept, of one computer, given to itself."""

FORM_FIELDS, FILE_FIELDS, FIELD_BYTES = 200, 8, 64 << 10
"""Fields of a form, of one that brings a file, and what one of them may hold: known before anything of it is kept."""

SILENT_SECONDS, FORM_SECONDS, SLOWEST = 20, 60, 1 << 20
"""How long a body may say nothing, how long a form may take to come, and bytes a second of a file beyond that."""

TURNS, TURNS_WAITING = 3, 4
"""Files that are read at the same time, of one agent at most one; how many more an agent may have waiting."""

Act = Literal["download", "login", "post", "token"]

RATES: MappingProxyType[Act, tuple[RateLimitItem, RateLimitItem]] = MappingProxyType(
    {
        "download": (parse("120/minute"), parse("600/minute")),
        "login": (parse("30/minute"), parse("60/minute")),
        "post": (parse("120/minute"), parse("600/minute")),
        "token": (parse("30/minute"), parse("30/minute")),
    }
)
"""For one agent, and for one address: a town hall may have one address for all its agents."""

STREAMS_OF_AN_AGENT, STREAMS_OF_AN_ADDRESS = 12, 200
"""Open at the same time; a browser opens six to one site at most."""

STREAM_SECONDS = 300
"""An agent who lost her rights, or whose session is over, sees nothing new after that."""

_EVENTS = "text/event-stream"


def client_address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "?"


def limit_body(request: Request, most: int) -> Request:
    """The same request, whose body ends by an error past `most` bytes, whether or not it announced its size.

    Raises:
        HTTPException: 413, it announces more; or while it is read, 408 when it comes too slowly.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise HTTPException(413)
    left = most
    receive = request.receive
    until = anyio.current_time() + FORM_SECONDS + most / SLOWEST

    async def receive_limited() -> Message:
        nonlocal left
        try:
            with anyio.fail_after(min(SILENT_SECONDS, max(0, until - anyio.current_time()))):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, headers={"Connection": "close"}) from None
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
        """Note one more. Raises `HTTPException`: 429, with the seconds to wait: it was not counted."""
        of_agent, of_address = RATES[act]
        for item, key in ((of_agent, f"agent:{agent}" if agent else ""), (of_address, f"address:{address}")):
            if key and not self._limiter.hit(item, act, key):
                reset = self._limiter.get_window_stats(item, act, key).reset_time
                raise _too_many(max(1, math.ceil(reset - time.time())))

    def require_left(self, act: Act, *, address: str) -> None:
        """Go on only if one more would be let pass, without noting it.

        Raises:
            HTTPException: 429, with the seconds to wait.
        """
        _, item = RATES[act]
        key = f"address:{address}"
        if not self._limiter.test(item, act, key):
            reset = self._limiter.get_window_stats(item, act, key).reset_time
            raise _too_many(max(1, math.ceil(reset - time.time())))

    @contextmanager
    def stream(self, *, agent: str, address: str) -> Iterator[None]:
        """Hold a place for an open stream. Raises `HTTPException`: 429, there are too many."""
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


class Turns:
    """Who may bring a file now: a few at a time, one of each agent, the agents one after the other."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Event]] = {}
        self._busy: set[str] = set()

    @asynccontextmanager
    async def turn(self, agent: str) -> AsyncIterator[None]:
        """Wait for a turn, before anything of the body is read, and hold it.

        Raises:
            HTTPException: 429, she has too many files waiting.
        """
        mine = self._waiting.setdefault(agent, deque())
        if len(mine) >= TURNS_WAITING:
            raise _too_many(30)
        called = asyncio.Event()
        mine.append(called)
        self._call()
        try:
            await called.wait()
            yield
        finally:
            if called.is_set():
                self._busy.discard(agent)
            else:
                mine.remove(called)
            self._call()

    def _call(self) -> None:
        """The first of each agent, in the order in which agents last had a turn."""
        for agent in list(self._waiting):
            if not self._waiting[agent]:
                if agent not in self._busy:
                    del self._waiting[agent]
            elif len(self._busy) < TURNS and agent not in self._busy:
                self._busy.add(agent)
                self._waiting[agent].popleft().set()
                self._waiting[agent] = self._waiting.pop(agent)  # to the end


def _too_many(seconds: int) -> HTTPException:
    return HTTPException(429, headers={"Retry-After": str(seconds)})


def is_stream(response: Response) -> bool:
    return (response.headers.get("content-type") or "").startswith(_EVENTS)


class CountedStream(Response):
    """A stream that holds one of its agent's places as long as it is open."""

    def __init__(self, stream: Response, request: Request, rates: RateLimits, agent: str) -> None:
        super().__init__()
        self._stream = stream
        self._place = ExitStack()
        self._place.enter_context(rates.stream(agent=agent, address=client_address(request.scope)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
