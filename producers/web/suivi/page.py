"""« Vos demandes », in a page and alone, with the files that were made; one request, and what is done about it."""

import random
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from common.french import count_of
from producers.errors import ProducerError
from producers.web.forms import read_number, texts
from producers.web.page_context import AWAY, NOT_FOUND, SEE_OTHER, PageContext, WebServices
from producers.web.security.session import require_agent
from producers.web.suivi.cards import build_cards, just_ended, make_card
from producers.web.suivi.pending import SendingFailure, prune_pending_requests, read_pending_requests, send_request
from producers.web.suivi.query import (
    DemandeState,
    RecentActivity,
    find_commune,
    read_newest_request,
    read_recent,
    read_request,
)
from schemas.requests import CancelRequested, RetryRequested

_HIDDEN = "masquees"
"""Of the session: the requests that she hid, the last ones."""
_MOST_HIDDEN = 30

HEARTBEAT_SECONDS = 15
"""Less than what proxies wait for; also how often the agent's rights are read again."""


def read_suivi(context: PageContext) -> dict[str, Any]:
    """Return what the template of « Vos demandes » wants, for a whole page."""
    recent = read_recent(context.services.state, context.commune.code)
    pending = prune_pending_requests(context.request, context.services, context.commune.code)
    return _values(context, recent) | {"pending": pending}


def render_suivi(context: PageContext, recent: RecentActivity) -> str:
    """Draw « Vos demandes » alone, as it is sent to a page that is open."""
    pending = read_pending_requests(context.request, context.services, context.commune.code)
    return context.render_part("suivi/suivi.html", pending=pending, **_values(context, recent))


def show(context: PageContext) -> Response:
    return HTMLResponse(render_suivi(context, read_recent(context.services.state, context.commune.code)))


def _values(context: PageContext, recent: RecentActivity) -> dict[str, Any]:
    now = context.services.clock()
    return {
        "cards": build_cards(recent, now, context.request.session.get(_HIDDEN, ())),
        "latest": recent.latest,
        "announced": just_ended(recent.demandes, now),
        "newest_request": recent.newest_request,
        "marker": recent.marker,
    }


def follow(context: PageContext) -> Response:
    """It as an event stream: whole, then at each change, as long as the agent may see them.

    What a page shows already is not drawn for it again: a restart of the screen has all pages ask at once.
    """
    return EventSourceResponse(_events(context), ping=HEARTBEAT_SECONDS, headers={"Cache-Control": "no-store"})


async def _events(context: PageContext) -> AsyncIterator[ServerSentEvent]:
    # Those that a restart of the screen opened at once do not ask the database at once ever after.
    checked_at = time.monotonic() - random.uniform(0, HEARTBEAT_SECONDS)  # noqa: S311 — it hides nothing
    live, shown = context.services.live, context.query.get("vu", "")
    with live.subscribe(context.commune.code) as subscription:
        while True:
            recent = await subscription.wait(HEARTBEAT_SECONDS)
            if time.monotonic() - checked_at >= HEARTBEAT_SECONDS:
                if not await live.take_turn(partial(_is_still_hers, context)):
                    return
                checked_at = time.monotonic()
            if recent is not None and recent.marker != shown:
                try:
                    html = await live.take_turn(partial(render_suivi, context, recent))
                except ProducerError:
                    return  # the page connects again by itself
                yield ServerSentEvent(data=html)


def _is_still_hers(context: PageContext) -> bool:
    try:
        agent = require_agent(context.request, context.services.identity)
    except ProducerError:
        return True  # the database is away for a moment: her rights are as they were
    except HTTPException:
        return False
    return agent.name == context.agent.name and agent.commune(context.commune.code) is not None


def show_request(context: PageContext) -> Response:
    return _request_page(context, _read_demande(context))


def cancel(context: PageContext) -> Response:
    """« Annuler »: the files that are not made yet will not be."""
    return _ask_about(context, CancelRequested, "Annulation")


def retry(context: PageContext) -> Response:
    """« Recommencer »: new files, of today, in a request of its own."""
    return _ask_about(context, RetryRequested, "Nouvel essai")


def hide(context: PageContext) -> Response:
    """« Masquer aujourd'hui »: she has read how it ended; it is off her screen until her session is over."""
    demande = _read_demande(context)
    hidden = [it for it in context.request.session.get(_HIDDEN, []) if it != demande.request_id]
    context.request.session[_HIDDEN] = [*hidden, demande.request_id][-_MOST_HIDDEN:]
    return context.redirect("tableaux" if make_card(demande).is_about_tableaux else "listes", "demandes")


async def find(request: Request) -> Response:
    """Send an agent to a request whose address does not name the commune; what is not hers is not found."""
    services: WebServices = request.app.state.services
    agent = await run_in_threadpool(require_agent, request, services.identity)
    number = read_number(request.path_params["demande"])
    if number is None:
        raise HTTPException(NOT_FOUND)
    code = await run_in_threadpool(find_commune, services.state, number)
    if agent.commune(code) is None:
        raise HTTPException(NOT_FOUND)
    return RedirectResponse(request.app.url_path_for("demande", commune=code, demande=number), SEE_OTHER)


FIND_REQUEST = Route("/demandes/{demande}", find, name="demande_sans_commune")


def _read_demande(context: PageContext) -> DemandeState:
    demande = read_request(context.services.state, context.commune.code, context.number("demande"))
    if demande is None:
        raise HTTPException(NOT_FOUND)
    return demande


def _ask_about(context: PageContext, contract: type[CancelRequested | RetryRequested], words: str) -> Response:
    demande = _read_demande(context)
    own = {str(file.export_id): file for file in demande.files}
    numbers = texts(context.form, "export")
    if not own.keys() >= set(numbers):
        raise HTTPException(NOT_FOUND)
    chosen = [own[number] for number in numbers]
    data = contract.model_validate(
        {
            "request": {"source": demande.source, "id": demande.event_id},
            "exports": [file.export_id for file in chosen] or None,
            "requested_by": context.agent.name,
        }
    )
    what = chosen[0].label if len(chosen) == 1 else count_of(len(chosen or demande.files), "fichier", "fichiers")
    if failure := send_request(context, data, f"{words} : {what}"):
        return _request_page(context, demande, AWAY, failure)
    return context.redirect("tableaux" if make_card(demande).is_about_tableaux else "listes", "demandes")


def _request_page(
    context: PageContext, demande: DemandeState, status_code: int = 200, failure: SendingFailure | None = None
) -> Response:
    newest = read_newest_request(context.services.state, context.commune.code)
    values = {"card": make_card(demande), "failure": failure, "newest_request": newest}
    return context.render("suivi/demande.html", status_code, **values)
