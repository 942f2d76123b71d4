"""« Vos demandes » within a page and as an event stream; the page of one request, and its actions."""

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
from producers.web.suivi.pending import prune_pending_requests, read_pending_requests, send_request
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
"""Session key: the last requests that the agent hid."""
_MOST_HIDDEN = 30

HEARTBEAT_SECONDS = 15
"""Shorter than the timeouts of proxies; also the interval for reading the agent's rights again."""


def read_suivi(context: PageContext) -> dict[str, Any]:
    """Return the template values of « Vos demandes », for a whole page."""
    recent = read_recent(context.services.state, context.commune.code)
    pending = prune_pending_requests(context.request, context.services, context.commune.code)
    return _values(context, recent) | {"pending": pending}


def render_suivi(context: PageContext, recent: RecentActivity) -> str:
    """Render « Vos demandes » alone, to be sent to an open page."""
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
    """Stream « Vos demandes »: whole, then at each change, while the agent has the right to see it.

    A version that the page already shows is not rendered again: after a restart all pages reconnect at once.
    """
    return EventSourceResponse(_events(context), ping=HEARTBEAT_SECONDS, headers={"Cache-Control": "no-store"})


async def _events(context: PageContext) -> AsyncIterator[ServerSentEvent]:
    # A random offset spreads the queries of streams that a restart opened at once.
    checked_at = time.monotonic() - random.uniform(0, HEARTBEAT_SECONDS)  # noqa: S311 — not a secret
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
                    return  # the page reconnects by itself
                yield ServerSentEvent(data=html)


def _is_still_hers(context: PageContext) -> bool:
    try:
        agent = require_agent(context.request, context.services.identity)
    except ProducerError:
        return True  # the database is absent for a moment: the rights are assumed unchanged
    except HTTPException:
        return False
    return agent.name == context.agent.name and agent.commune(context.commune.code) is not None


def show_request(context: PageContext) -> Response:
    return _request_page(context, _read_demande(context))


def cancel(context: PageContext) -> Response:
    """« Annuler »: cancel the unfinished files."""
    return _ask_about(context, CancelRequested, "Annulation")


def retry(context: PageContext) -> Response:
    """« Recommencer »: request the files again, with the data of today."""
    return _ask_about(context, RetryRequested, "Nouvel essai")


def hide(context: PageContext) -> Response:
    """« Masquer aujourd'hui »: hide a finished request from the agent's screen until the session ends."""
    demande = _read_demande(context)
    hidden = [it for it in context.request.session.get(_HIDDEN, []) if it != demande.request_id]
    context.request.session[_HIDDEN] = [*hidden, demande.request_id][-_MOST_HIDDEN:]
    return context.redirect("tableaux" if make_card(demande).is_about_tableaux else "listes", "demandes")


async def find(request: Request) -> Response:
    """Redirect to a request whose URL has no commune; 404 if it is not of the agent's communes."""
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
    context: PageContext, demande: DemandeState, status_code: int = 200, failure: str | None = None
) -> Response:
    newest = read_newest_request(context.services.state, context.commune.code)
    values = {"card": make_card(demande), "failure": failure, "newest_request": newest}
    return context.render("suivi/demande.html", status_code, **values)
