"""Events that an agent has just sent, kept in the session until a worker has read them: until then, no view has a row.

The session is a cookie, and browsers drop a cookie that is too large: the oldest entries are removed first.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from producers.errors import ProducerError
from producers.web.forms import Faults, read_once, wrap_once
from producers.web.page_context import PageContext
from producers.web.security import answer_poll, is_partial
from producers.web.suivi.requests import DemandeState, find_requests
from schemas.declarations import DeclarationNoted, FileNote, RegisterNote
from schemas.envelope import CloudEvent, Data
from schemas.screen_notes import ScreenNote, ScreenNoted

REQUESTS = "demandes"
"""The page of « Vos demandes », shown on two tabs."""

DEPOT = "depot"
"""The page of deposits; it also shows notes of publications."""

_FORGOTTEN_AFTER = timedelta(hours=12)
_LATE_AFTER = timedelta(minutes=1)
"""Time without a worker after which the page shows a possible cause."""

_MOST_BYTES = 2400
"""Bytes of the entries; a cookie holds 4096 with the rest of the session (RFC 6265, section 6.1)."""

_KEY = "envoyees"


@dataclass(frozen=True)
class Sent:
    """An event that the agent sent from a page of a commune.

    `about` holds the files or rows that a note names. `demande` is set once a worker has read the event. `is_kept`: the
    screen has spooled the event, since the broker refuses messages for now.
    """

    event_id: str
    commune: str
    page: str
    words: str
    sent_at: datetime
    about: tuple[int, ...] = ()
    demande: DemandeState | None = None
    is_kept: bool = False

    @property
    def refusal(self) -> str:
        return self.demande.reason if self.demande else ""

    def is_late(self, now: datetime) -> bool:
        return now - self.sent_at > _LATE_AFTER


@dataclass(frozen=True)
class PendingDeclarations:
    """Requests or notes of a page, newest first: unread by a worker, or just recorded or refused (shown once)."""

    waiting: tuple[Sent, ...] = ()
    recorded: tuple[Sent, ...] = ()
    refused: tuple[Sent, ...] = ()

    def words_about(self, number: int) -> str:
        """Return the words of a pending note about a file or a row; empty if there is none."""
        return next((it.words for it in self.waiting if number in it.about), "")


def send_request(
    context: PageContext, data: Data, words: str, *, page: str = REQUESTS, about: Iterable[int] = ()
) -> str | None:
    """Publish the event of a form, once, and remember it for a page until a worker has read it.

    Return the reason if the event was not sent, for the administrator; else None.
    """
    event = wrap_once(data, source=context.services.settings.source, once=read_once(context.form))
    try:
        context.publish(event)
    except ProducerError as error:
        return str(error)
    remember(context.request, event, words, commune=context.commune.code, page=page, about=about)
    return None


def send_note(
    context: PageContext, page: str, note: FileNote | RegisterNote | ScreenNote, words: str, about: Iterable[int] = ()
) -> str | None:
    """Publish the note of a form of that page, once; return the failure if it was not sent, else None.

    `about` holds the files of the note, or the rows that the page marks until the note is recorded.
    """
    about = list(about)
    who = {"commune": context.commune.code, "requested_by": context.agent.name}
    if isinstance(note, ScreenNote):
        return send_request(context, ScreenNoted(note=note, **who), words, page=page, about=about)
    data = DeclarationNoted(note=note, exports=about if isinstance(note, FileNote) else None, **who)
    return send_request(context, data, words, page=page, about=about)


def note_page(
    context: PageContext,
    page: str,
    read: Callable[[], Mapping[str, Any]],
    *,
    template: str = "",
    faults: Faults | None = None,
    failure: str | None = None,
) -> Response:
    """Render `notes/<page>.html`, or `template`, with what the agent has sent from it, then the values of `read`.

    The order matters: a note recorded meanwhile is still pending, and the page polls again, or it is already in the
    values. The page also polls while the value `is_waiting` is true.
    """
    pending = read_declarations(context, page)
    given = {"pending": pending, "page": page, "is_waiting": False, **read()}
    response = context.render(template or f"notes/{page}.html", faults=faults, failure=failure, **given)
    answer_poll(context.request, response, is_done=not (pending.waiting or given["is_waiting"]))
    return response


def remember(
    request: Request, event: CloudEvent, words: str, *, commune: str, page: str, about: Iterable[int] = ()
) -> None:
    """Store a sent event in the session; a duplicate replaces its entry."""
    others = [it for it in request.session.get(_KEY, []) if it[0] != event.id]
    entries = [*others, [event.id, commune, page, words, event.time.isoformat(), list(about)]]
    while len(entries) > 1 and len(json.dumps(entries)) > _MOST_BYTES:
        del entries[0]
    request.session[_KEY] = entries


def read_declarations(context: PageContext, page: str) -> PendingDeclarations:
    """Return what the agent has sent from a page.

    Events that a worker has read, or refused, are removed from the session once a whole page has shown them.
    """
    here = _look(context, page)
    waiting = tuple(it for it in here if it.demande is None)
    read = [(it, it.demande.is_refused) for it in here if it.demande]
    if not is_partial(context.request):  # responses may overtake each other, so they change no session
        _keep(context, page, waiting)
    recorded = tuple(it for it, is_refused in read if not is_refused)
    return PendingDeclarations(waiting, recorded, tuple(it for it, is_refused in read if is_refused))


def _look(context: PageContext, page: str) -> list[Sent]:
    services, commune = context.services, context.commune.code
    sent = [
        Sent(event_id, commune, page, words, datetime.fromisoformat(at), tuple(about))
        for event_id, its_commune, its_page, words, at, about in reversed(context.request.session.get(_KEY, []))
        if (its_commune, its_page) == (commune, page)
    ]
    known = find_requests(services.state, services.settings.source, {it.event_id for it in sent})
    since = services.clock() - _FORGOTTEN_AFTER
    return [
        replace(it, demande=known.get(it.event_id), is_kept=services.spool.holds(it.event_id))
        for it in sent
        if it.event_id in known or it.sent_at > since
    ]


def _keep(context: PageContext, page: str, sent: Collection[Sent]) -> None:
    """Remove the other entries of the page; write the session only if it changes."""
    kept, session = {it.event_id for it in sent}, context.request.session
    entries = session.get(_KEY, [])
    left = [it for it in entries if it[0] in kept or (it[1], it[2]) != (context.commune.code, page)]
    if len(left) != len(entries):
        session[_KEY] = left
