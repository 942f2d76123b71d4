"""Error pages in French: the cause and the remedy, without internal details.

Agents without access, or logged out, read why and whom to ask. The provider's logout is reached by a page that
refreshes itself: the CSP forbids a redirect to another site after a form.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from producers import errors
from producers.errors import ProducerError
from producers.web.page_context import SEE_OTHER, WebServices
from producers.web.security import RETURN, NotAnAgent, NotIdentified, Untrusted, csrf_token, is_partial

ErrorKind = Literal["closed", "failed", "left", "not_an_agent", "not_identified", "untrusted"]

_ASK = (
    "Demandez à l'administrateur du module Préfecture de vous y inscrire\u202f: il lui faut votre nom, votre adresse "
    "électronique et votre commune."
)
_ACCESS_TEXTS: Mapping[ErrorKind, tuple[str, tuple[str, ...]]] = {
    "closed": (
        "Écran fermé",
        (
            "Le module ne sait pas encore comment les agents s'identifient\u202f: personne ne peut entrer.",
            "Son administrateur le règle par PREFECTURE_WEB_AUTH\u202f; docs/operations.md dit comment.",
        ),
    ),
    "failed": ("Identification impossible", ()),
    "left": ("Vous êtes déconnecté", ("Fermez aussi les autres fenêtres de ce poste s'il n'est pas le vôtre.",)),
    "not_an_agent": ("Vous n'avez pas accès au module", ("Le module ne vous connaît pas comme agent.", _ASK)),
    "not_identified": (
        "Vous n'êtes pas identifié",
        (
            "Votre session est finie, ou rien n'a dit qui vous êtes.",
            "Passez par l'adresse habituelle du module\u202f; si cela se répète, prévenez votre administrateur.",
        ),
    ),
    "untrusted": (
        "Vous n'êtes pas identifié",
        ("Le module ne reconnaît pas le service qui dit qui vous êtes.", "Prévenez votre administrateur."),
    ),
}
_OF_SINGLE_USER: Mapping[ErrorKind, tuple[str, ...]] = {
    "not_an_agent": (
        "Aucun agent n'est enregistré sous ce nom, ou il y en a plusieurs et le module ne sait pas lequel vous êtes.",
        "Demandez à votre administrateur d'enregistrer votre nom, ou de le donner à PREFECTURE_WEB_AGENT.",
    ),
    "not_identified": (
        "Ouvrez l'écran par l'adresse que le module affiche à son démarrage\u202f: elle contient une clé.",
        "Sans elle, un autre compte de cet ordinateur pourrait lire la liste. Gardez-la dans vos marque-pages.",
    ),
}

_log = structlog.get_logger("producers.web")
_NOWHERE = ("Page introuvable", "Cette adresse ne mène à rien que vous puissiez voir.")
_TEXTS: Mapping[int, tuple[str, str]] = {
    400: ("Demande illisible", "Revenez à l'accueil, puis recommencez."),
    403: (
        "Demande refusée",
        "Cette page était peut-être ouverte depuis trop longtemps. Rechargez-la, puis recommencez.",
    ),
    404: _NOWHERE,
    405: _NOWHERE,
    408: ("Envoi interrompu", "Ce que votre navigateur envoyait n'arrivait plus. Recommencez."),
    413: ("Envoi trop grand", "Ce qui a été envoyé est plus grand que ce que le module lit."),
    429: ("Trop de demandes à la fois", "Attendez une minute, puis recommencez."),
    503: (
        "Le module ne répond pas",
        "Recommencez dans quelques minutes. Si cela dure, prévenez votre administrateur.",
    ),
}
_OTHER = ("Erreur interne", "Recommencez\u202f; si cela se répète, prévenez votre administrateur.")


def show_access_page(
    request: Request,
    case: ErrorKind,
    status_code: int = 200,
    *,
    who: str = "",
    words: tuple[str, ...] = (),
    onward: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Render one of these pages; `who` is the refused name, `words` are added, the browser continues to `onward`."""
    services: WebServices = request.app.state.services
    settings = services.settings
    if case == "not_identified" and settings.web_auth == "proxy" and not settings.web_trusted_proxies:
        case = "closed"
    title, paragraphs = _ACCESS_TEXTS[case]
    if settings.web_auth == "none":
        paragraphs = _OF_SINGLE_USER.get(case, paragraphs)
    has_login = settings.has_login
    return services.templates.TemplateResponse(
        request,
        "templates/access.html",
        {
            "title": title,
            "paragraphs": (*words, *paragraphs),
            "who": who,
            "onward": onward,
            "login": request.app.url_path_for("connexion") if has_login and case != "not_an_agent" else "",
            "logout": request.app.url_path_for("deconnexion") if has_login and case == "not_an_agent" else "",
            "csrf_token": csrf_token(request) if "session" in request.scope else "",
        },
        status_code=status_code,
        headers=dict(headers or {}) | ({"Refresh": f"0; url={onward}"} if onward else {}),
    )


def show_failure(request: Request, status: int, reason: str = "", headers: Mapping[str, str] | None = None) -> Response:
    services: WebServices = request.app.state.services
    title, advice = _TEXTS.get(status, _OTHER)
    return services.templates.TemplateResponse(
        request,
        "templates/failure.html",
        {"title": title, "advice": advice, "reason": reason},
        status_code=status,
        headers=dict(headers or {}),
    )


async def on_http(request: Request, error: Exception) -> Response:
    """Show the page of an HTTP status, or redirect to the login; the log records why access is refused."""
    if isinstance(error, NotAnAgent | NotIdentified | Untrusted):
        request.state.refused = error.code
    match error:
        case NotIdentified():
            return _send_to_login(request)
        case NotAnAgent():
            return show_access_page(request, "not_an_agent", 403, who=error.who)
        case Untrusted():
            return show_access_page(request, "untrusted", 403)
        case HTTPException():
            return show_failure(request, error.status_code, headers=error.headers)
    raise error


async def on_producer(request: Request, error: Exception) -> Response:
    if isinstance(error, errors.InvalidRequestError):
        return show_failure(request, 400, reason=str(error))
    _log.warning("part_failed", error=type(error).__name__, reason=str(error))
    look_first = "La demande est peut-être partie\u202f: regardez les derniers exports avant de la refaire."
    is_sent = isinstance(error, errors.BrokerBlockedError | errors.UnconfirmedError)
    return show_failure(request, 503, reason=look_first if is_sent else "")


def _send_to_login(request: Request) -> Response:
    """Redirect a page to the login, which returns to it; make a page reload after a refused script request."""
    services: WebServices = request.app.state.services
    is_by_script = is_partial(request)
    is_opened = request.method in {"GET", "HEAD"} and request.headers.get("sec-fetch-mode", "navigate") == "navigate"
    if not services.settings.has_login or is_by_script or not is_opened:
        return show_access_page(request, "not_identified", 401, headers={"HX-Refresh": "true"} if is_by_script else {})
    request.session[RETURN] = request.url.path
    return RedirectResponse(request.app.url_path_for("connexion"), SEE_OTHER)


HANDLERS: Mapping[Any, Callable[[Request, Exception], Any]] = {HTTPException: on_http, ProducerError: on_producer}
