"""What an agent has just sent, kept in the session until a worker has read it: no row speaks of it before.

A session is a cookie, which browsers drop silently when it is too large: the oldest entries make room.
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
from producers.web.page_context import AWAY, UNPROCESSABLE, PageContext, WebServices
from producers.web.security.session import answer_poll, is_partial
from producers.web.suivi.query import DemandeState, find_requests
from schemas.declarations import DeclarationNoted, FileNote, RegisterNote
from schemas.envelope import CloudEvent, Data
from schemas.screen_notes import ScreenNote, ScreenNoted

REQUESTS = "demandes"
"""The page of « Vos demandes », which two tabs show."""

DEPOT = "depot"
"""The page of deposits; publications are noted with them."""

_FORGOTTEN_AFTER = timedelta(hours=12)
_LATE_AFTER = timedelta(minutes=1)
"""After this long without a worker, the page says what may be wrong."""

_MOST_BYTES = 2400
"""Of the entries; a cookie holds 4096 with the rest of the session (RFC 6265, section 6.1)."""

_KEY = "envoyees"


@dataclass(frozen=True)
class Sent:
    """A request or a declaration of the agent, sent from a page of a commune.

    `about` are the files or rows that a declaration names. `demande` is set once a worker has read the event.
    `is_kept`: the broker takes nothing for now, and the screen sends the event as soon as it does.
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
        """Why a worker refused it; empty when none did."""
        return self.demande.reason if self.demande else ""

    def is_late(self, now: datetime) -> bool:
        """Whether a worker should have read it by now."""
        return now - self.sent_at > _LATE_AFTER


@dataclass(frozen=True)
class PendingDeclarations:
    """What is not written down yet, the newest first; what was just written down, or refused: that is said once."""

    waiting: tuple[Sent, ...] = ()
    recorded: tuple[Sent, ...] = ()
    refused: tuple[Sent, ...] = ()

    def words_about(self, number: int) -> str:
        """What is being written down about a file or a row; empty when nothing is."""
        return next((it.words for it in self.waiting if number in it.about), "")


@dataclass(frozen=True)
class SendingFailure:
    """Why nothing was sent, for the administrator; the page says what the agent can do."""

    detail: str


def send_request(
    context: PageContext, data: Data, words: str, *, page: str = REQUESTS, about: Iterable[int] = ()
) -> SendingFailure | None:
    """Publish the event of a form, once, and keep it in sight of a page until a row speaks of it.

    Return why it was not sent, when the broker does not take it.
    """
    event = wrap_once(data, source=context.services.settings.source, once=read_once(context.form))
    try:
        context.publish(event)
    except ProducerError as error:
        return SendingFailure(str(error))
    remember(context.request, event, words, commune=context.commune.code, page=page, about=about)
    return None


def send_note(
    context: PageContext, page: str, note: FileNote | RegisterNote | ScreenNote, words: str, about: Iterable[int] = ()
) -> SendingFailure | None:
    """Publish the note of a form of that page, once; return why the broker did not take it.

    `about` are the files that the note is of, or the rows that the page marks until the note is recorded.
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
    faults: Faults | None = None,
    failure: SendingFailure | None = None,
) -> Response:
    """Draw `notes/<page>.html`, with what is on its way, then what is `read`, and what is wrong.

    In this order: what is written down while the page is drawn is either still on its way, and the page comes back to
    it, or already among the lines.
    """
    pending = read_declarations(context, page)
    status = UNPROCESSABLE if faults else AWAY if failure else 200
    given = {"faults": faults or Faults(), "failure": failure, "pending": pending, "today": context.today}
    response = context.render(f"notes/{page}.html", status, **given, **read(), once=read_once(context.form), page=page)
    answer_poll(context.request, response, is_done=not pending.waiting)
    return response


def remember(
    request: Request, event: CloudEvent, words: str, *, commune: str, page: str, about: Iterable[int] = ()
) -> None:
    """Keep what was sent from a page; the same event again changes nothing."""
    others = [it for it in request.session.get(_KEY, []) if it[0] != event.id]
    entries = [*others, [event.id, commune, page, words, event.time.isoformat(), list(about)]]
    while len(entries) > 1 and len(json.dumps(entries)) > _MOST_BYTES:
        del entries[0]
    request.session[_KEY] = entries


def read_pending_requests(request: Request, services: WebServices, commune: str) -> tuple[Sent, ...]:
    """Return the requests that no row of the commune speaks of yet, the newest first.

    A request that was refused without belonging to the commune is among them.
    """
    return tuple(it for it in _look(request, services, commune, REQUESTS) if not _is_shown(it.demande, commune))


def prune_pending_requests(request: Request, services: WebServices, commune: str) -> tuple[Sent, ...]:
    """Return the same, and remove the others from the session; for whole pages, which no other answer overtakes."""
    kept = read_pending_requests(request, services, commune)
    _keep(request, commune, REQUESTS, kept)
    return kept


def read_declarations(context: PageContext, page: str) -> PendingDeclarations:
    """Return what was declared on that page and is not written down yet.

    What is written down, or was refused, is returned once, and removed from the session.
    """
    here = _look(context.request, context.services, context.commune.code, page)
    waiting = tuple(it for it in here if it.demande is None)
    read = [(it, it.demande.is_refused) for it in here if it.demande]
    if not is_partial(context.request):  # whose answer may be overtaken by another: it changes no session
        _keep(context.request, context.commune.code, page, waiting)
    recorded = tuple(it for it, is_refused in read if not is_refused)
    return PendingDeclarations(waiting, recorded, tuple(it for it, is_refused in read if is_refused))


def _look(request: Request, services: WebServices, commune: str, page: str) -> list[Sent]:
    sent = [
        Sent(event_id, commune, page, words, datetime.fromisoformat(at), tuple(about))
        for event_id, its_commune, its_page, words, at, about in reversed(request.session.get(_KEY, []))
        if (its_commune, its_page) == (commune, page)
    ]
    known = find_requests(services.state, services.settings.source, {it.event_id for it in sent})
    since = services.clock() - _FORGOTTEN_AFTER
    return [
        replace(it, demande=known.get(it.event_id), is_kept=services.spool.holds(it.event_id))
        for it in sent
        if it.event_id in known or it.sent_at > since
    ]


def _keep(request: Request, commune: str, page: str, sent: Collection[Sent]) -> None:
    """Remove the other entries of the page; the session is written again only if there are any."""
    kept = {it.event_id for it in sent}
    entries = request.session.get(_KEY, [])
    left = [it for it in entries if it[0] in kept or (it[1], it[2]) != (commune, page)]
    if len(left) != len(entries):
        request.session[_KEY] = left


def _is_shown(demande: DemandeState | None, commune: str) -> bool:
    """Whether « Vos demandes » of the commune shows it, or shows that nothing is left to say."""
    return demande is not None and not (demande.is_refused and demande.code_commune != commune)
