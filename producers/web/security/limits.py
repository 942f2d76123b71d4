"""Limits of size and rate: bodies, requests, uploads. One agent cannot block the screen for the others."""

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import IPv4Address, ip_address, ip_network
from threading import Semaphore
from typing import Literal

import anyio
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Scope

FORM_BYTES = 128 << 10
"""Thrice a form of 200 fields of 200 letters. The event loop decodes that many `%` in 0.09 s, and `&` in 0.05 s."""
FILE_BYTES = 512 << 20
"""Larger than any file of the worker; uploads are read in pieces, and stored on disk during the request."""

FORM_FIELDS, FILE_FIELDS = 200, 8
"""Fields of a form, fields of an upload form."""

SILENT_SECONDS, FORM_SECONDS, SLOWEST = 60, 60, 1 << 20
"""Seconds without data, seconds for a whole form, and minimum bytes per second of a larger body."""

TURNS, TURNS_WAITING = 3, 4
"""Uploads processed at once (at most one per commune), and uploads that an agent may have waiting."""

PAGES = 3
"""Pages and forms of one agent processed at once: all agents share eight connections to the database."""

DOWNLOADS = 5
"""Downloads of one agent or token sent at once: each holds a file, a dossier also its bytes on the disk."""

Act = Literal["download", "login", "page", "post", "token"]

RATES: Mapping[Act, tuple[RateLimitItem, RateLimitItem]] = {
    "download": (parse("120/minute"), parse("600/minute")),
    "login": (parse("30/minute"), parse("60/minute")),
    "page": (parse("600/minute"), parse("12000/minute")),
    "post": (parse("120/minute"), parse("2400/minute")),
    "token": (parse("30/minute"), parse("30/minute")),
}
"""Limits per agent and per address: all agents of a town hall may share one address."""


def client_address(scope: Scope) -> str:
    """Return the address of the client; of IPv6 its network, since one client has all addresses of a /64."""
    client = scope.get("client")
    try:
        address = ip_address(client[0] if client else "")
    except ValueError:
        return str(client[0]) if client else "?"
    if isinstance(address, IPv4Address) or address.ipv4_mapped:
        return str(address)
    return str(ip_network((address.packed, 64), strict=False))


def limit_body(request: Request, most: int) -> Request:
    """Return the request with a body that raises an error beyond `most` bytes, or FORM_BYTES if it is urlencoded.

    Raises:
        HTTPException: 400, Starlette would decode the fields by another codec than UTF-8: some take seconds; 413, the
            announced size is larger; while reading, 413 for a larger body, 408 for a slow one, 400 for a bad boundary.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if options.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise HTTPException(400)
    if kind == b"application/x-www-form-urlencoded":
        most = min(most, FORM_BYTES)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise HTTPException(413)
    left, end = most, b""
    boundary = b"\r\n--" + options.get(b"boundary", b"")
    # After a boundary, the parser reads bytes other than the end of a line or `--` one by one: 40 times slower.
    wrong = re.compile(re.escape(boundary) + rb"([^\r-]|\r[^\n]|-[^-])")
    until = anyio.current_time() + FORM_SECONDS + most / SLOWEST

    async def receive_limited() -> Message:
        nonlocal left, end
        try:
            with anyio.fail_after(min(SILENT_SECONDS, max(0, until - anyio.current_time()))):
                message = await request.receive()
        except TimeoutError:
            raise HTTPException(408, headers={"Connection": "close"}) from None
        body = message.get("body", b"")
        left -= len(body)
        if left < 0:
            raise HTTPException(413)
        if b"boundary" in options and wrong.search(end + body):
            raise HTTPException(400)
        end = (end + body)[-len(boundary) - 1 :]
        return message

    return Request(request.scope, receive_limited)


class RateLimits:
    """Counts recent acts, in memory."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, act: Act, request: Request | None = None, *, agent: str = "") -> None:
        """Count one act. Raises `HTTPException` 429, with the seconds to wait, if it exceeds a limit."""
        of_agent, of_address = RATES[act]
        address = client_address(request.scope) if request else ""
        for item, kind, name in ((of_agent, "agent", agent), (of_address, "address", address)):
            if name and not self._limiter.hit(item, act, f"{kind}:{name}"):
                _, seconds = self._left(item, act, f"{kind}:{name}")
                raise _too_many(max(1, seconds))

    def describe(self, act: Act, agent: str) -> dict[str, str]:
        """Return the header fields of the limit of an agent. Source: draft-ietf-httpapi-ratelimit-headers-10."""
        item, _ = RATES[act]
        remaining, seconds = self._left(item, act, f"agent:{agent}")
        policy = f'"{act}";q={item.amount};w={item.get_expiry()}'
        return {"RateLimit-Policy": policy, "RateLimit": f'"{act}";r={remaining};t={seconds}'}

    def _left(self, item: RateLimitItem, act: Act, key: str) -> tuple[int, int]:
        stats = self._limiter.get_window_stats(item, act, key)
        return stats.remaining, max(0, math.ceil(stats.reset_time - time.time()))


class Turns:
    """Queues of pages and of uploads; places of downloads.

    An agent sends one upload at a time; of those that arrived, a few are processed, one per commune.
    """

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(TURNS)
        self._queues: dict[str, asyncio.Semaphore] = {}
        self._requests: Counter[str] = Counter()
        self._downloads: dict[str, Semaphore] = {}

    def download(self, request: Request, who: str) -> None:
        """Count a download until the response is sent. Raises `HTTPException` 429: too many are being sent."""
        places = self._downloads.setdefault(who, Semaphore(DOWNLOADS))
        if not places.acquire(blocking=False):
            raise _too_many(
                30, "Cinq téléchargements sont en cours. Attendez la fin de l'un d'eux."
            )
        request.state.until_sent.callback(places.release)

    def page(self, agent: str) -> AbstractAsyncContextManager[None]:
        """Wait until fewer than `PAGES` pages of the agent are processed, and hold a place."""
        return self._queue(f"pages of {agent}", PAGES)

    @asynccontextmanager
    async def receive(self, agent: str) -> AsyncIterator[None]:
        """Wait until the agent sends no other body. Raises `HTTPException` 429: too many of their uploads wait."""
        if self._requests[f"agent {agent}"] > TURNS_WAITING:
            raise _too_many(
                30, "Cinq envois de fichiers sont en cours. Attendez la fin de l'un d'eux."
            )
        async with self._queue(f"agent {agent}"):
            yield

    @asynccontextmanager
    async def turn(self, commune: str) -> AsyncIterator[None]:
        """Wait for a turn to process an upload whose body has arrived, and hold it."""
        async with self._queue(commune), self._places:
            yield

    @asynccontextmanager
    async def _queue(self, whose: str, at_once: int = 1) -> AsyncIterator[None]:
        self._requests[whose] += 1
        try:
            async with self._queues.setdefault(whose, asyncio.Semaphore(at_once)):
                yield
        finally:
            self._requests[whose] -= 1
            if not self._requests[whose]:
                del self._requests[whose], self._queues[whose]


def _too_many(seconds: int, reason: str = "") -> HTTPException:
    return HTTPException(429, reason, headers={"Retry-After": str(seconds)})
