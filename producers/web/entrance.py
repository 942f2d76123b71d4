"""Routes outside of any commune: start page, login and logout with a provider, health checks."""

import os
import re
from contextlib import suppress

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from producers.web.error_pages import show_access_page
from producers.web.page_context import NOT_FOUND, SEE_OTHER, WebServices, admit_agent
from producers.web.security import (
    KEY_FIELD,
    RETURN,
    NotAnAgent,
    NotIdentified,
    SingleUser,
    can_read_agents,
    require_csrf,
)
from producers.web.security.limits import FORM_BYTES, limit_body
from producers.web.security.oidc import LoginFailed, OidcIdentity
from schemas.envelope import CloudEvent
from schemas.screen_notes import LoggedIn, ScreenNoted

_log = structlog.get_logger("producers.web")
_PLAIN = re.compile(r"[a-z_]{1,40}")
_AWAY = frozenset({"away", "temporarily_unavailable", "server_error"})


async def _start(request: Request) -> Response:
    services: WebServices = request.app.state.services
    agent = await admit_agent(request)
    if len(agent.communes) == 1:
        return RedirectResponse(
            request.app.url_path_for("taches", commune=agent.communes[0].code), SEE_OTHER
        )
    return services.templates.TemplateResponse(request, "templates/communes.html", {"agent": agent})


async def _open(request: Request) -> Response:
    """Open the session of this computer's user by the URL printed at start-up; redirect to remove the key."""
    services: WebServices = request.app.state.services
    if not isinstance(services.identity, SingleUser):
        raise HTTPException(NOT_FOUND)
    services.rates.count_stranger(request)
    services.identity.admit(request, request.query_params.get(KEY_FIELD, ""))
    return RedirectResponse(request.app.url_path_for("start"), SEE_OTHER)


def _count_login(request: Request) -> OidcIdentity:
    services: WebServices = request.app.state.services
    if not isinstance(services.identity, OidcIdentity):
        raise HTTPException(NOT_FOUND)
    services.rates.count_stranger(request)
    return services.identity


async def _go_in(request: Request) -> Response:
    oidc = _count_login(request)
    with suppress(NotAnAgent, NotIdentified):
        await run_in_threadpool(oidc.identify, request)
        return RedirectResponse(_page_after(request), SEE_OTHER)
    try:
        return await oidc.provider.send_to_login(
            request, oidc.back(request.app.url_path_for("retour"))
        )
    except LoginFailed as error:
        return _refuse(request, error.code, error.cause)


def _page_after(request: Request) -> str:
    return str(request.session.get(RETURN, "/"))


async def _come_back(request: Request) -> Response:
    services: WebServices = request.app.state.services
    oidc = _count_login(request)
    path = _page_after(request)
    try:
        arrival = await oidc.provider.receive(request)
        who = oidc.read_address(arrival.token_claims, arrival.info_claims)
        agent = await run_in_threadpool(oidc.begin, request, who, arrival)
    except LoginFailed as error:
        return _refuse(request, error.code, error.cause)
    if agent:
        note = LoggedIn(identity=arrival.identity)
        data = ScreenNoted(commune=agent.communes[0].code, note=note, requested_by=agent.name)
        event = CloudEvent.wrap(data, source=services.settings.source)
        await run_in_threadpool(services.spool.send, event)
    _log.info("login")
    return RedirectResponse(path, SEE_OTHER)


async def _go_out(request: Request) -> Response:
    oidc = _count_login(request)
    request = limit_body(request, FORM_BYTES)
    require_csrf(request, await request.form(max_files=0, max_fields=10))
    token = oidc.sessions.end(request)
    onward = ""
    with suppress(LoginFailed):
        onward = await oidc.provider.logout_url(
            token, oidc.back(request.app.url_path_for("deconnecte"))
        )
    page = show_access_page(request, "left", onward=onward)
    # Not "cookies", which would delete those of other services of the domain; ours is deleted by name.
    page.headers["Clear-Site-Data"] = '"cache", "storage"'
    return page


async def _be_out(request: Request) -> Response:
    _count_login(request)
    return show_access_page(request, "left")


def _refuse(request: Request, code: str, cause: str = "") -> Response:
    """Show why a login failed. The code is untrusted: only a plain word is logged, and none is shown."""
    _log.warning("login_refused", code=code if _PLAIN.fullmatch(code) else "other", cause=cause)
    return show_access_page(request, "failed", 503 if code in _AWAY else 403, code=code)


async def _be_alive(_request: Request) -> Response:
    return JSONResponse({"vivant": True})


def _be_ready(request: Request) -> Response:
    """Report readiness. An absent broker does not make the screen unready: files can still be downloaded."""
    services: WebServices = request.app.state.services
    folder = services.settings.exports_dir
    has_exports = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
    values = {"vivant": True, "base": can_read_agents(services.state), "exports": has_exports}
    if services.reaches_broker is not None:
        values["broker"] = services.reaches_broker()
    return JSONResponse(values, 200 if values["base"] and values["exports"] else 503)


ROUTES = (
    Route("/", _start, name="start"),
    Route("/ouvrir", _open, name="ouvrir"),
    Route("/connexion", _go_in, name="connexion"),
    Route("/connexion/retour", _come_back, name="retour"),
    Route("/deconnexion", _go_out, methods=["POST"], name="deconnexion"),
    Route("/deconnexion/faite", _be_out, name="deconnecte"),
    Route("/sante", _be_ready, name="sante"),
    Route("/sante/vie", _be_alive, name="vie"),
)
