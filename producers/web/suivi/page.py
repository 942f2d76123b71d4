"""« Vos demandes » within a page; the page of one request, and its actions."""

from collections.abc import Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from common.french import count_of
from producers.web.exports.query import AskedFile
from producers.web.forms import read_number, texts
from producers.web.page_context import NOT_FOUND, SEE_OTHER, PageContext, WebServices, admit_agent
from producers.web.security import is_partial
from producers.web.suivi.requests import (
    REQUESTS,
    DemandeState,
    build_cards,
    find_commune,
    just_ended,
    read_declarations,
    read_newest_request,
    read_recent,
    read_request,
    send_request,
)
from schemas.requests import CancelRequested, RetryRequested

_HIDDEN = "masquees"
"""Session key: the last requests that the agent hid."""


def show(context: PageContext) -> Response:
    return context.render(
        "suivi/suivi.html", **read_suivi(context, of_tableaux=context.query.get("de") == "tableaux")
    )


def read_suivi(context: PageContext, *, of_tableaux: bool = False) -> dict[str, Any]:
    """Return the requests under way, and the last files: those of tableaux, or those of lists."""
    # The order matters: a request that a worker reads meanwhile is shown twice, instead of not at all.
    sent = read_declarations(context, REQUESTS)
    elsewhere = [
        it for it in sent.refused if it.demande and it.demande.code_commune != context.commune.code
    ]
    now = context.services.clock()
    demandes, latest, newest = read_recent(context.services.state, context.commune.code)
    every = build_cards(demandes, now, context.request.session.get(_HIDDEN, ()))
    cards = [card for card in every if (card.home == "tableaux") == of_tableaux]
    return {
        "pending": [*sent.waiting, *elsewhere],
        "cards": cards,
        "is_under_way": bool(sent.waiting) or any(card.may_cancel for card in cards),
        "latest": [it for it in latest if it.is_tableau == of_tableaux],
        "of_tableaux": of_tableaux,
        "announced": just_ended(demandes, now) if is_partial(context.request) else [],
        "newest_request": newest,
    }


def show_request(context: PageContext) -> Response:
    demande = _read_demande(context)
    newest = read_newest_request(context.services.state, context.commune.code)
    return context.render("suivi/demande.html", card=demande, newest_request=newest)


def cancel(context: PageContext) -> Response:
    demande = _read_demande(context)
    files = [it for it in demande.files if not it.status.is_terminal]
    return _ask_about(context, demande, files, CancelRequested, "Annulation")


def retry(context: PageContext) -> Response:
    """« Recommencer »: request the files again, with the data of today."""
    demande = _read_demande(context)
    return _ask_about(context, demande, demande.to_retry, RetryRequested, "Nouvel essai")


def hide(context: PageContext) -> Response:
    """« Masquer aujourd'hui »: hide a finished request from the agent's screen until the session ends."""
    demande = _read_demande(context)
    hidden = [it for it in context.request.session.get(_HIDDEN, []) if it != demande.request_id]
    context.request.session[_HIDDEN] = [*hidden, demande.request_id][-30:]
    return context.redirect(demande.home, "#demandes")


async def find(request: Request) -> Response:
    """Redirect to a request whose URL has no commune; 404 if it is not of the agent's communes."""
    services: WebServices = request.app.state.services
    number = read_number(request.path_params["demande"])
    agent = await admit_agent(request)
    code = await run_in_threadpool(find_commune, services.state, number) if number else ""
    commune = agent.commune(code)
    return RedirectResponse(
        request.app.url_path_for("demande", commune=commune.code, demande=number), SEE_OTHER
    )


FIND_REQUEST = Route("/demandes/{demande}", find, name="demande_sans_commune")


def _read_demande(context: PageContext) -> DemandeState:
    demande = read_request(context.services.state, context.commune.code, context.number("demande"))
    if demande is None:
        raise HTTPException(NOT_FOUND)
    return demande


def _ask_about(
    context: PageContext,
    demande: DemandeState,
    files: Sequence[AskedFile],
    contract: type[CancelRequested | RetryRequested],
    words: str,
) -> Response:
    """Send the request about the chosen files, else about these `files`.

    The files are named: another account may have asked for them, under a source and an id that others use too.
    """
    own = {str(file.export_id): file for file in demande.files}
    numbers = texts(context.form, "export")
    if not own.keys() >= set(numbers):
        raise HTTPException(NOT_FOUND)
    chosen = [own[number] for number in numbers] or files
    data = contract.model_validate(
        {
            "request": {"source": demande.source, "id": demande.event_id},
            "exports": [file.export_id for file in chosen] or None,
            "requested_by": context.agent.name,
        }
    )
    what = chosen[0].label if len(chosen) == 1 else count_of(len(chosen), "fichier", "fichiers")
    send_request(context, data, f"{words} : {what}")
    return context.redirect(demande.home, "#demandes")
