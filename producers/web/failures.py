"""When a page cannot be given: what happened and what to do, in French, without a word of the inside."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from producers import errors
from producers.errors import ProducerError
from producers.web.doors import show_door
from producers.web.htmx import is_for_a_part
from producers.web.screen import Screen
from producers.web.security.identity import NotAnAgent, Stranger
from producers.web.security.origin import SAFE_METHODS

_log = structlog.get_logger("producers.web")
_NOWHERE = ("Page introuvable", "Cette adresse ne mène à rien que vous puissiez voir.")
_TEXTS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        400: ("Demande illisible", "Revenez à l'accueil, puis recommencez."),
        403: (
            "Demande refusée",
            "Cette page était peut-être ouverte depuis trop longtemps. Rechargez-la, puis recommencez.",
        ),
        404: _NOWHERE,
        405: _NOWHERE,
        413: ("Envoi trop grand", "Ce qui a été envoyé est plus grand que ce que le module lit."),
        429: ("Trop de demandes à la fois", "Attendez une minute, puis recommencez."),
        503: (
            "Le module ne répond pas",
            "Recommencez dans quelques minutes. Si cela dure, prévenez votre administrateur.",
        ),
    }
)
_OTHER = ("Erreur interne", "Recommencez\u202f; si cela se répète, prévenez votre administrateur.")
_PERHAPS_SENT = (errors.BrokerBlockedError, errors.UnconfirmedError)
_LOOK_FIRST = "La demande est peut-être partie\u202f: regardez les derniers exports avant de la refaire."
_FAULTY = (errors.EventTooLargeError, errors.InvalidRequestError)


def show_failure(request: Request, status: int, reason: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """The page of a status."""
    screen: Screen = request.app.state.screen
    title, advice = _TEXTS.get(status, _OTHER)
    return screen.templates.TemplateResponse(
        request,
        "failure.html",
        {"title": title, "advice": advice, "reason": reason},
        status_code=status,
        headers=dict(headers or {}),
    )


async def on_http(request: Request, error: Exception) -> Response:
    """The page of an HTTP status; who is not known yet is sent to the door."""
    match error:
        case Stranger():
            return _send_to_door(request)
        case NotAnAgent():
            return show_door(request, "not_an_agent", 403, who=error.who)
        case HTTPException():
            return show_failure(request, error.status_code, headers=error.headers)
    raise error


async def on_producer(request: Request, error: Exception) -> Response:
    """The page of what a part of the module did not do; its words are for engineers, so they go to the log."""
    if isinstance(error, _FAULTY):
        return show_failure(request, 400, reason=str(error))
    _log.warning("part_failed", code=getattr(error, "code", ""), reason=str(error))
    return show_failure(request, 503, reason=_LOOK_FIRST if isinstance(error, _PERHAPS_SENT) else "")


def _send_to_door(request: Request) -> Response:
    """A person who opens a page comes back to it; what a page asks by itself makes the page load again."""
    screen: Screen = request.app.state.screen
    is_by_script = is_for_a_part(request)
    is_opened = request.method in SAFE_METHODS and request.headers.get("sec-fetch-mode", "navigate") == "navigate"
    if not screen.identity.has_door or is_by_script or not is_opened:
        return show_door(request, "stranger", 401, headers={"HX-Refresh": "true"} if is_by_script else {})
    door = request.app.url_path_for("connexion")
    return RedirectResponse(f"{door}?retour={screen.returns.sign(request.url.path)}", 303)


HANDLERS: Mapping[Any, Callable[[Request, Exception], Any]] = MappingProxyType(
    {HTTPException: on_http, ProducerError: on_producer}
)
