"""What an agent has just sent, kept in her session until a worker has read it: no row speaks of it before.

A session is a cookie, which browsers drop without a word when it is too large: the oldest makes room.
"""

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request

FORGOTTEN_AFTER = timedelta(hours=12)

_LATE_AFTER = timedelta(minutes=1)
"""After this long without a worker, the page says what may be wrong."""

_MOST_BYTES = 1200
"""Of the entries of one kind; of 4096, two kinds and the rest of the session (RFC 6265, section 6.1)."""

Entry = list[Any]
"""The event's id, then what its kind wants, as JSON has it."""


def read_entries(request: Request, key: str) -> list[Entry]:
    """Those of one kind, the oldest first."""
    entries: list[Entry] = request.session.get(key, [])
    return entries


def add_entry(request: Request, key: str, entry: Entry) -> None:
    """Keep one more; the same event again changes nothing."""
    entries = [*(it for it in read_entries(request, key) if it[0] != entry[0]), entry]
    while len(entries) > 1 and len(json.dumps(entries)) > _MOST_BYTES:
        del entries[0]
    request.session[key] = entries


def keep_entries(request: Request, key: str, event_ids: Collection[str]) -> None:
    """Forget the others; the session is written again only if there are any."""
    entries = read_entries(request, key)
    left = [it for it in entries if it[0] in event_ids]
    if len(left) != len(entries):
        request.session[key] = left


def is_late(sent_at: datetime, now: datetime) -> bool:
    """Whether a worker should have read by now what was sent then."""
    return now - sent_at > _LATE_AFTER
