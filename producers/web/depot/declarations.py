"""What this agent has just declared, on one page, until a worker has written it down or refused it.

Her session keeps numbers of files and a day, never the platform's answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from starlette.requests import Request

from producers.web.page_context import WebServices
from producers.web.security.session import is_partial
from producers.web.suivi.pending import FORGOTTEN_AFTER, add_entry, is_late, keep_entries, read_entries
from producers.web.suivi.query import find_requests
from schemas.envelope import CloudEvent

_KEY = "declarations"
DEPOT = "depot"
"""The page of deposits and verdicts."""


@dataclass(frozen=True)
class SentDeclaration:
    """One declaration: of which files, what it says in a few words, why it was refused once it was.

    `is_kept`: the broker takes nothing for now, and the screen sends it as soon as it does.
    """

    event_id: str
    commune: str
    exports: tuple[int, ...]
    words: str
    sent_at: datetime
    page: str = DEPOT
    refusal: str = ""
    is_kept: bool = False

    def is_late(self, now: datetime) -> bool:
        """Whether it should have been written down by now."""
        return is_late(self.sent_at, now)


@dataclass(frozen=True)
class PendingDeclarations:
    """What is on its way, the newest first; what was just written down, or refused: that is said once."""

    waiting: tuple[SentDeclaration, ...] = ()
    recorded: tuple[SentDeclaration, ...] = ()
    refused: tuple[SentDeclaration, ...] = ()

    def words_about(self, export_id: int) -> str:
        """What is being written down about a file; empty when nothing is."""
        return next((it.words for it in self.waiting if export_id in it.exports), "")


def remember_declaration(
    request: Request, event: CloudEvent, commune: str, exports: Iterable[int], words: str, *, page: str = DEPOT
) -> None:
    """Keep what was declared on a page, named as its route is."""
    add_entry(request, _KEY, [event.id, commune, list(exports), words, event.time.isoformat(), page])


def read_declarations(request: Request, services: WebServices, commune: str, page: str = DEPOT) -> PendingDeclarations:
    """What of that page is not written down yet; what is, and a refusal that has been read, is forgotten.

    Raises:
        StateAwayError: the database did not answer.
    """
    entries = read_entries(request, _KEY)
    if not entries:
        return PendingDeclarations()
    declared = [
        SentDeclaration(it[0], it[1], tuple(it[2]), it[3], datetime.fromisoformat(it[4]), *it[5:]) for it in entries
    ]
    known = find_requests(services.state, services.settings.source, {it.event_id for it in declared})
    since = services.clock() - FORGOTTEN_AFTER
    waiting = [it for it in declared if it.event_id not in known and it.sent_at > since]
    here = [it for it in declared if (it.commune, it.page) == (commune, page)]
    read = [it for it in here if it.event_id in known]
    refused = [replace(it, refusal=known[it.event_id].reason) for it in read if known[it.event_id].is_refused]
    recorded = [it for it in read if not known[it.event_id].is_refused]
    if not is_partial(request):  # whose answer may be overtaken by another: it changes no session
        elsewhere = {it.event_id for it in declared if it not in here}
        keep_entries(request, _KEY, elsewhere | {it.event_id for it in waiting})
    mine = [replace(it, is_kept=services.spool.holds(it.event_id)) for it in reversed(waiting) if it in here]
    return PendingDeclarations(tuple(mine), tuple(recorded), tuple(refused))
