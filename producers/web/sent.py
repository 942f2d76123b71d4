"""What this agent has just asked for and no worker has read yet."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from producers.web.reading.demandes import Demande, find_requests
from producers.web.remembered import FORGOTTEN_AFTER, add_entry, is_late, keep_entries, read_entries
from producers.web.screen import Screen
from schemas.envelope import CloudEvent

_KEY = "envoyees"


@dataclass(frozen=True)
class Sent:
    """A request on its way; `demande` is set when it was refused without belonging to a commune."""

    event_id: str
    words: str
    commune: str
    sent_at: datetime
    demande: Demande | None = None

    def is_late(self, now: datetime) -> bool:
        """Whether it should have been read by now."""
        return is_late(self.sent_at, now)


def remember(request: Request, event: CloudEvent, words: str, commune: str) -> None:
    """Keep what was sent; the same event again changes nothing."""
    add_entry(request, _KEY, [event.id, words, commune, event.time.isoformat()])


def still_sent(request: Request, screen: Screen, commune: str) -> tuple[Sent, ...]:
    """What no row of the commune tells yet, the newest first.

    Raises:
        StateAwayError: the database did not answer.
    """
    entries = [it for it in _read(read_entries(request, _KEY)) if it.commune == commune]
    known = find_requests(screen.state, screen.settings.source, {it.event_id for it in entries})
    since = screen.clock() - FORGOTTEN_AFTER
    return tuple(
        Sent(it.event_id, it.words, it.commune, it.sent_at, known.get(it.event_id))
        for it in reversed(entries)
        if it.sent_at > since and not _is_told(known.get(it.event_id), commune)
    )


def forget(request: Request, screen: Screen, commune: str) -> tuple[Sent, ...]:
    """The same, and the session forgets the others; for whole pages only, which no other answer overtakes.

    Raises:
        StateAwayError: the database did not answer.
    """
    kept = still_sent(request, screen, commune)
    elsewhere = {it.event_id for it in _read(read_entries(request, _KEY)) if it.commune != commune}
    keep_entries(request, _KEY, elsewhere | {it.event_id for it in kept})
    return kept


def _read(entries: Iterable[list[str]]) -> list[Sent]:
    return [Sent(event_id, words, commune, datetime.fromisoformat(at)) for event_id, words, commune, at in entries]


def _is_told(demande: Demande | None, commune: str) -> bool:
    """Whether the board of the commune shows it, or shows that nothing is left to say."""
    return demande is not None and not (demande.is_refused and demande.code_commune != commune)
