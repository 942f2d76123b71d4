"""The limits of the screen and of the API: how often an agent, a token or an address asks, and sizes of bodies."""

import math
import time
from collections.abc import Mapping
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Literal

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Scope

Counted = Literal["agent", "event", "file", "address", "stranger"]

RATES: Mapping[Counted, RateLimitItem] = {
    "agent": parse("600/minute"),
    "event": parse("10/5 second"),
    "file": parse("6000/minute"),
    "address": parse("12000/minute"),
    "stranger": parse("60/minute"),
}
"""Requests of an agent or a token; events that a token sends, and files of its batches; requests of an address; its
logins and wrong tokens.

The events of tokens share one queue with the forms of people, and the worker reads a hundred a second. So the window
of events is short: what one token sends at once delays a clerk by a tenth of a second. Forms have no limit of their
own: a clerk who types fast must not lose a form. Batches have another queue.
"""

FORM_BYTES, FILE_BYTES = 128 << 10, 512 << 20
"""A form: twice 300 fields of 200 letters. An upload, which is stored on disk: larger than any file of the worker."""


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
        HTTPException: 400, its fields have another charset than UTF-8; 413, the announced size is larger; while
            reading, 413 for a larger body.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if options.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise HTTPException(400)
    if kind == b"application/x-www-form-urlencoded":
        most = min(most, FORM_BYTES)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise HTTPException(413)
    left = most

    async def receive_limited() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413)
        return message

    return Request(request.scope, receive_limited)


class RateLimits:
    """Counts recent requests, in memory."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, request: Request, agent: str) -> None:
        """Count a request of an agent or a token. Raises `HTTPException` 429 with the seconds to wait."""
        self._hit("agent", agent)
        self._hit("address", client_address(request.scope))

    def count_event(self, token: str) -> None:
        """Count an event that a token sends. Raises `HTTPException` 429 with the seconds to wait."""
        self._hit("event", token)

    def count_files(self, token: str, number: int) -> None:
        """Count the files of a batch that a token sends. Raises `HTTPException` 429 with the seconds to wait."""
        self._hit("file", token, number)

    def count_stranger(self, request: Request) -> None:
        """Count a login or a wrong token. Raises `HTTPException` 429 with the seconds to wait."""
        self._hit("stranger", client_address(request.scope))

    def describe(self, agent: str) -> dict[str, str]:
        """Return the header fields of the limit of an agent. Source: draft-ietf-httpapi-ratelimit-headers-10."""
        rate = RATES["agent"]
        remaining, seconds = self._left("agent", agent)
        policy = f'"agent";q={rate.amount};w={rate.get_expiry()}'
        return {"RateLimit-Policy": policy, "RateLimit": f'"agent";r={remaining};t={seconds}'}

    def _hit(self, counted: Counted, name: str, cost: int = 1) -> None:
        if not self._limiter.hit(RATES[counted], counted, name, cost=cost):
            _, seconds = self._left(counted, name)
            raise HTTPException(429, headers={"Retry-After": str(max(1, seconds))})

    def _left(self, counted: Counted, name: str) -> tuple[int, int]:
        stats = self._limiter.get_window_stats(RATES[counted], counted, name)
        return stats.remaining, max(0, math.ceil(stats.reset_time - time.time()))
