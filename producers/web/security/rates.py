"""How often: one agent or one address does not take the screen from the others. Counted in this process."""

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Literal

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.exceptions import HTTPException

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


class Rates:
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
