"""The door, where a provider knows the agents: in, back from the provider, out."""

import re
from types import MappingProxyType

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from producers.web.doors import show_door
from producers.web.screen import Screen
from producers.web.security.body import FORM_BYTES, limit_body
from producers.web.security.claims import ClaimsRefused
from producers.web.security.csrf import require_csrf
from producers.web.security.identity import NotAnAgent, Stranger
from producers.web.security.oidc import Oidc
from producers.web.security.peers import client_address
from producers.web.security.provider import ProviderFailed
from producers.web.visit import NOT_FOUND, SEE_OTHER

_log = structlog.get_logger("producers.web")
_RETURN = "retour"
_PLAIN = re.compile(r"[a-z_]{1,40}")
_REFUSALS = MappingProxyType(
    {
        "access_denied": "Vous avez renoncé, ou le service d'identification ne vous laisse pas entrer.",
        "away": "Le service d'identification ne répond pas. Recommencez dans quelques minutes.",
        "login_required": "Le service d'identification ne vous reconnaît plus.",
        "mismatching_state": "Cette page d'identification était ouverte depuis trop longtemps, ou dans deux fenêtres.",
        "no_claim": "Le service d'identification ne dit pas votre adresse électronique.",
        "other_siret": "Votre employeur n'est pas de ceux que ce module accueille.",
        "temporarily_unavailable": "Le service d'identification est indisponible. Recommencez dans quelques minutes.",
        "unverified": "Le service d'identification n'a pas vérifié votre adresse électronique.",
        "weak": "Il faut vous identifier par un moyen plus sûr, que votre administrateur vous dira.",
    }
)
_OTHER = "Le service d'identification a donné une réponse que le module n'admet pas."
_THEN = "Recommencez\u202f; si cela se répète, prévenez votre administrateur."
_AWAY = frozenset({"away", "temporarily_unavailable", "server_error"})


def _door(request: Request) -> tuple[Screen, Oidc]:
    screen: Screen = request.app.state.screen
    if not isinstance(screen.identity, Oidc):
        raise HTTPException(NOT_FOUND)
    return screen, screen.identity


async def _go_in(request: Request) -> Response:
    """To the provider; whoever is in already goes on."""
    screen, oidc = _door(request)
    path = screen.returns.read(request.query_params.get(_RETURN, ""))
    screen.rates.count("login", address=client_address(request.scope))
    try:
        await run_in_threadpool(oidc.identify, request)
    except (NotAnAgent, Stranger):
        request.session[_RETURN] = path
    else:
        return RedirectResponse(path, SEE_OTHER)
    try:
        return await oidc.provider.send_to_login(request, oidc.back(request.app.url_path_for("retour")))
    except ProviderFailed as error:
        return _refuse(request, error.code, error.cause)


async def _come_back(request: Request) -> Response:
    """From the provider, with a code: a new session begins."""
    screen, oidc = _door(request)
    screen.rates.count("login", address=client_address(request.scope))
    path = str(request.session.get(_RETURN, "/"))
    try:
        arrival = await oidc.provider.receive(request)
        who = oidc.rules.read(arrival.token_claims, arrival.info_claims)
    except ClaimsRefused as error:
        return _refuse(request, error.code)
    except ProviderFailed as error:
        return _refuse(request, error.code, error.cause)
    oidc.sessions.begin(request, who, arrival.id_token)
    _log.info("login")
    return RedirectResponse(path, SEE_OTHER)


async def _go_out(request: Request) -> Response:
    """Out of here, then out of the provider."""
    _, oidc = _door(request)
    request = limit_body(request, FORM_BYTES)
    require_csrf(request, await request.form(max_files=0, max_fields=10))
    token = oidc.sessions.end(request)
    try:
        onward = await oidc.provider.logout_url(token, oidc.back(request.app.url_path_for("deconnecte")))
    except ProviderFailed:
        onward = ""
    return show_door(request, "left", onward=onward)


async def _be_out(request: Request) -> Response:
    """Where the provider sends back whoever left."""
    _door(request)
    return show_door(request, "left")


def _refuse(request: Request, code: str, cause: str = "") -> Response:
    """The code is the provider's, or came by a link: only a plain word is logged, and none is shown."""
    _log.warning("login_refused", code=code if _PLAIN.fullmatch(code) else "other", cause=cause)
    words = (_REFUSALS.get(code, _OTHER), _THEN)
    return show_door(request, "failed", 503 if code in _AWAY else 403, words=words)


DOORS = (
    Route("/connexion", _go_in, name="connexion"),
    Route("/connexion/retour", _come_back, name="retour"),
    Route("/deconnexion", _go_out, methods=["POST"], name="deconnexion"),
    Route("/deconnexion/faite", _be_out, name="deconnecte"),
)
