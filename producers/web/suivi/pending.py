"""What an agent has just sent, kept in her session until a worker has read it: no row speaks of it before.

A session is a cookie, which browsers drop without a word when it is too large: the oldest makes room.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request

from producers.errors import ProducerError
from producers.web.page_context import PageContext, WebServices
from producers.web.suivi.query import DemandeState, find_requests
from schemas.envelope import CloudEvent

FORGOTTEN_AFTER = timedelta(hours=12)

_LATE_AFTER = timedelta(minutes=1)
"""After this long without a worker, the page says what may be wrong."""

_MOST_BYTES = 1200
"""Of the entries of one kind; of 4096, two kinds and the rest of the session (RFC 6265, section 6.1)."""

SessionEntry = list[Any]
"""The event's id, then what its kind wants, as JSON has it."""

_KEY = "envoyees"


def read_entries(request: Request, key: str) -> list[SessionEntry]:
    """Those of one kind, the oldest first."""
    entries: list[SessionEntry] = request.session.get(key, [])
    return entries


def add_entry(request: Request, key: str, entry: SessionEntry) -> None:
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


@dataclass(frozen=True)
class PendingRequest:
    """A request on its way; `demande` is set when it was refused without belonging to a commune.

    `is_kept`: the broker takes nothing for now, and the screen sends it as soon as it does.
    """

    event_id: str
    words: str
    commune: str
    sent_at: datetime
    demande: DemandeState | None = None
    is_kept: bool = False

    def is_late(self, now: datetime) -> bool:
        """Whether it should have been read by now."""
        return is_late(self.sent_at, now)


def remember_request(request: Request, event: CloudEvent, words: str, commune: str) -> None:
    """Keep what was sent; the same event again changes nothing."""
    add_entry(request, _KEY, [event.id, words, commune, event.time.isoformat()])


def read_pending_requests(request: Request, services: WebServices, commune: str) -> tuple[PendingRequest, ...]:
    """What no row of the commune says yet, the newest first.

    Raises:
        StateAwayError: the database did not answer.
    """
    entries = [it for it in _read(read_entries(request, _KEY)) if it.commune == commune]
    known = find_requests(services.state, services.settings.source, {it.event_id for it in entries})
    since = services.clock() - FORGOTTEN_AFTER
    return tuple(
        replace(it, demande=known.get(it.event_id), is_kept=services.spool.holds(it.event_id))
        for it in reversed(entries)
        if it.sent_at > since and not _is_shown(known.get(it.event_id), commune)
    )


def prune_pending_requests(request: Request, services: WebServices, commune: str) -> tuple[PendingRequest, ...]:
    """The same, and the session forgets the others; for whole pages only, which no other answer overtakes.

    Raises:
        StateAwayError: the database did not answer.
    """
    kept = read_pending_requests(request, services, commune)
    elsewhere = {it.event_id for it in _read(read_entries(request, _KEY)) if it.commune != commune}
    keep_entries(request, _KEY, elsewhere | {it.event_id for it in kept})
    return kept


def _read(entries: Iterable[list[str]]) -> list[PendingRequest]:
    return [
        PendingRequest(event_id, words, commune, datetime.fromisoformat(at)) for event_id, words, commune, at in entries
    ]


def _is_shown(demande: DemandeState | None, commune: str) -> bool:
    """Whether « Vos demandes » of the commune shows it, or shows that nothing is left to say."""
    return demande is not None and not (demande.is_refused and demande.code_commune != commune)


@dataclass(frozen=True)
class SendingFailure:
    """Why nothing was sent, for her administrator; the page says to her what to do."""

    detail: str


def send_request(context: PageContext, event: CloudEvent, words: str) -> SendingFailure | None:
    """Publish, and keep it in sight until a row speaks of it; why not, when nobody takes it."""
    try:
        context.publish(event)
    except ProducerError as error:
        return SendingFailure(str(error))
    remember_request(context.request, event, words, context.commune.code)
    return None
