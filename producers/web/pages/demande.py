"""One request: where mails lead, what became of its files, « Annuler » and « Recommencer »."""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from common.french import count_of
from producers.web.board import make_card
from producers.web.forms import read_number, read_once, texts, wrap_once
from producers.web.pages.sending import AWAY, Trouble, send
from producers.web.reading.demandes import Demande, find_commune, read_newest_request, read_request
from producers.web.screen import Screen
from producers.web.security.session import require_agent
from producers.web.visit import NOT_FOUND, SEE_OTHER, Visit
from schemas.requests import CancelRequested, RetryRequested


def show(visit: Visit) -> Response:
    """The page."""
    return _page(visit, _demande(visit))


def cancel(visit: Visit) -> Response:
    """« Annuler »: the files that are not made yet will not be."""
    return _ask_about(visit, CancelRequested, "Annulation")


def retry(visit: Visit) -> Response:
    """« Recommencer »: new files, of today, in a request of its own."""
    return _ask_about(visit, RetryRequested, "Nouvel essai")


async def find(request: Request) -> Response:
    """Send an agent to a request whose address does not name the commune; what is not hers is not found."""
    screen: Screen = request.app.state.screen
    agent = await run_in_threadpool(require_agent, request, screen.identity)
    number = read_number(request.path_params["demande"])
    if number is None:
        raise HTTPException(NOT_FOUND)
    code = await run_in_threadpool(find_commune, screen.state, number)
    if agent.commune(code) is None:
        raise HTTPException(NOT_FOUND)
    return RedirectResponse(request.app.url_path_for("demande", commune=code, demande=number), SEE_OTHER)


FIND = Route("/demandes/{demande}", find, name="demande_sans_commune")


def _demande(visit: Visit) -> Demande:
    demande = read_request(visit.screen.state, visit.commune.code, visit.number("demande"))
    if demande is None:
        raise HTTPException(NOT_FOUND)
    return demande


def _ask_about(visit: Visit, contract: type[CancelRequested | RetryRequested], words: str) -> Response:
    demande = _demande(visit)
    own = {str(file.export_id): file for file in demande.files}
    numbers = texts(visit.form, "export")
    if not own.keys() >= set(numbers):
        raise HTTPException(NOT_FOUND)
    chosen = [own[number] for number in numbers]
    data = contract.model_validate(
        {
            "request": {"source": demande.source, "id": demande.event_id},
            "exports": [file.export_id for file in chosen] or None,
            "requested_by": visit.agent.name,
        }
    )
    event = wrap_once(data, source=visit.screen.settings.source, once=read_once(visit.form))
    what = chosen[0].label if len(chosen) == 1 else count_of(len(chosen or demande.files), "fichier", "fichiers")
    return send(
        visit,
        event,
        f"{words} : {what}",
        page="tableaux" if make_card(demande).is_about_tableaux else "listes",
        retry=lambda trouble: _page(visit, demande, AWAY, trouble),
    )


def _page(visit: Visit, demande: Demande, status_code: int = 200, trouble: Trouble | None = None) -> Response:
    newest = read_newest_request(visit.screen.state, visit.commune.code)
    facts = {"card": make_card(demande), "trouble": trouble, "newest_request": newest}
    return visit.render("demande.html", status_code, **facts)
