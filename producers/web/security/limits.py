"""Limits of size and rate: bodies, requests, event streams. One agent cannot block the screen for the others."""

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
"""Larger than any file of the worker; uploads are read in pieces, and stored on disk during the request."""

BACKUP_BYTES = 8 << 30
"""The register and all files of one computer, restored from its own backup."""

FORM_FIELDS, FILE_FIELDS, FIELD_BYTES = 200, 8, 64 << 10
"""Fields of a form, fields of an upload form, bytes per field; checked while the form is parsed."""

SILENT_SECONDS, FORM_SECONDS, SLOWEST = 20, 60, 1 << 20
"""Seconds without data, seconds for a whole form, and minimum bytes per second of a larger body."""

TURNS, TURNS_WAITING = 3, 4
"""Uploads processed at once (at most one per agent), and uploads that an agent may have waiting."""

Act = Literal["download", "login", "post", "token"]

RATES: MappingProxyType[Act, tuple[RateLimitItem, RateLimitItem]] = MappingProxyType(
    {
        "download": (parse("120/minute"), parse("600/minute")),
        "login": (parse("30/minute"), parse("60/minute")),
        "post": (parse("120/minute"), parse("600/minute")),
        "token": (parse("30/minute"), parse("30/minute")),
    }
)
"""Limits per agent and per address: all agents of a town hall may share one address."""

STREAMS_OF_AN_AGENT, STREAMS_OF_AN_ADDRESS = 12, 200
"""Open at once; a browser opens six connections to one site at most."""

STREAM_SECONDS = 300
"""Maximum life of a stream: agents without rights or session receive nothing after it."""

_EVENTS = "text/event-stream"


def client_address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "?"


def limit_body(request: Request, most: int) -> Request:
    """Return the request with a body that raises an error beyond `most` bytes, announced or not.

    Raises:
        HTTPException: 413, the announced size is larger; while reading, 413 for a larger body and 408 for a slow one.
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
    """Counts recent acts and open event streams, in memory."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._open: Counter[str] = Counter()

    def count(self, act: Act, *, agent: str = "", address: str) -> None:
        """Count one act. Raises `HTTPException` 429, with the seconds to wait, if it exceeds a limit."""
        of_agent, of_address = RATES[act]
        for item, key in ((of_agent, f"agent:{agent}" if agent else ""), (of_address, f"address:{address}")):
            if key and not self._limiter.hit(item, act, key):
                reset = self._limiter.get_window_stats(item, act, key).reset_time
                raise _too_many(max(1, math.ceil(reset - time.time())))

    def require_left(self, act: Act, *, address: str) -> None:
        """Check that one more act is allowed, without counting it.

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
        """Hold a place for an open stream. Raises `HTTPException` 429 if there are too many."""
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
    """Queue of uploads: a few at once, one per agent, agents in round-robin order."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Event]] = {}
        self._busy: set[str] = set()

    @asynccontextmanager
    async def turn(self, agent: str) -> AsyncIterator[None]:
        """Wait for a turn, before the body is read, and hold it.

        Raises:
            HTTPException: 429, the agent has too many uploads waiting.
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
        """Start the first upload of each idle agent, in order of their last turn."""
        for agent in list(self._waiting):
            if not self._waiting[agent]:
                if agent not in self._busy:
                    del self._waiting[agent]
            elif len(self._busy) < TURNS and agent not in self._busy:
                self._busy.add(agent)
                self._waiting[agent].popleft().set()
                self._waiting[agent] = self._waiting.pop(agent)  # to the end of the round


def _too_many(seconds: int) -> HTTPException:
    return HTTPException(429, headers={"Retry-After": str(seconds)})


def is_stream(response: Response) -> bool:
    return (response.headers.get("content-type") or "").startswith(_EVENTS)


class CountedStream(Response):
    """An event stream that holds one of the agent's places while it is open."""

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
