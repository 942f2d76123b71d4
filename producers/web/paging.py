"""Long tables a page at a time: which page an address asks for, and the addresses of those around it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

_MOST = 6
"""Digits of a page's number."""


def page_number(text: str) -> int:
    """The page that the address asks for; the first when it is none."""
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= _MOST else 1


@dataclass(frozen=True)
class Paging:
    """Where a page stands among the others; `before` and `after` are addresses, empty at the ends."""

    page: int
    last: int
    before: str
    after: str

    @classmethod
    def of(cls, path: str, query: Mapping[str, str], *, page: int, total: int, size: int) -> Self:
        """The pages of `size` lines that `total` lines fill; the filters of `query` stay in the addresses."""
        last = max(1, -(-total // size))
        kept = {name: value for name, value in query.items() if value}

        def address(number: int) -> str:
            return f"{path}?{urlencode(kept | {'page': str(number)})}"

        return cls(
            page, last, address(min(page - 1, last)) if page > 1 else "", address(page + 1) if page < last else ""
        )
