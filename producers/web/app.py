"""The ASGI application of the screen: middleware, the table of all pages, and the checks before each page."""

import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPMethod
from typing import Any
from urllib.parse import urlsplit

import structlog
from anyio import to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from common.logs import describe_exception
from producers.errors import ProducerConfigurationError
from producers.state import State
from producers.web import (
    copies,
    depot,
    dossier,
    echeances,
    entrance,
    journal,
    listes,
    statistiques,
    tableaux,
    taches,
)
from producers.web import notes as noted
from producers.web.anomalies import page as anomalies
from producers.web.api import create_api
from producers.web.drafts import Drafts
from producers.web.drafts import page as drafts
from producers.web.error_pages import HANDLERS, on_http, show_failure
from producers.web.exports import page as exports
from producers.web.exports.spool import Spool
from producers.web.forms import FormRefused
from producers.web.notes import electeurs, mairie
from producers.web.page_context import NOT_FOUND, PageContext, WebServices, admit_agent
from producers.web.registre import page as registre
from producers.web.security import (
    FROM_PROXY,
    NotIdentified,
    ProxyIdentity,
    SignedSessions,
    SingleUser,
    require_csrf,
)
from producers.web.security.limits import FILE_BYTES, FORM_BYTES, RateLimits, limit_body
from producers.web.security.oidc import Identity, OidcIdentity
from producers.web.settings import LOOPBACK, WebSettings
from producers.web.suivi import page as suivi
from producers.web.templating import Assets, build_environment
from producers.web.verifier import page as verifier
from schemas.envelope import Publish
from schemas.http import DOOR
from schemas.profiles import ProfileError
from schemas.profiles.platform import load_profiles

_log = structlog.get_logger("producers.web")
_PLAIN = re.compile(r"[0-9A-Za-z-]{1,40}")

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}

OPEN_TO_ANY_NAME = frozenset({"/sante", "/sante/vie"})
"""Health checks of a container use its address, not its name."""


class SecurityHeaders:
    """Adds the headers; without a Cache-Control of their own, responses are not cached."""

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        # For this host only: the module must not decide for other services of the town hall.
        self._headers = dict(HEADERS) | (
            {"Strict-Transport-Security": "max-age=31536000"} if is_https else {}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class RequestLog:
    """Logs requests by the name of the route, never by URL, which may contain anything."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 0, time.monotonic()

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        except HTTPException as error:
            if not status:
                await (await on_http(Request(scope, receive), error))(
                    scope, receive, send_noting_status
                )
        except ClientDisconnect:
            status = status or 499  # nginx's, for a client that closed the connection
        except Exception as error:  # noqa: BLE001 — last handler: the server's own log must not get it
            _log.error("page_failed", **_loggable(scope), exception=describe_exception(error))
            if not status:
                await show_failure(Request(scope, receive), 500)(scope, receive, send_noting_status)
        finally:
            if not scope["path"].startswith(("/static/", "/sante")):
                seconds = round(time.monotonic() - began, 3)
                _log.info("request", **_loggable(scope), status=status, seconds=seconds)


def _loggable(scope: Scope) -> dict[str, Any]:
    values: dict[str, Any] = {
        "method": scope["method"] if scope["method"] in HTTPMethod.__members__ else "?"
    }
    if endpoint := scope.get("endpoint"):
        values["page"] = getattr(endpoint, "__name__", "?").strip("_")
    for name, value in scope.get("path_params", {}).items():
        values[name] = value if _PLAIN.fullmatch(str(value)) else "?"
    state = scope.get("state", {})
    values |= {
        name: state[name] for name in ("agent", "correlation_id", "refused") if state.get(name)
    }
    return values


class TrustedProxies(ProxyHeadersMiddleware):
    """Marks requests from a listed proxy, and trusts its headers about the client's address and scheme.

    uvicorn's middleware parses the headers; this class records the peer before uvicorn replaces it.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        client = scope.get("client")
        scope[FROM_PROXY] = client is not None and client[0] in self.trusted_hosts
        await super().__call__(scope, receive, send)  # type: ignore[arg-type]


class OwnSite:
    """Accepts the screen's own host names, and posts from its own pages.

    Another name (DNS rebinding) gets 400. Starlette compares the header Host; this class adds the French page, the
    rejection of a second Host header, and the exception for health checks. A post from another site's page gets 403
    before its body is read; CSRF tokens are checked too.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        parts = urlsplit(settings.public_url)
        has_public = bool(parts.hostname) and settings.web_auth != "none"
        names = (
            {parts.hostname} if parts.hostname and (settings.own_name or has_public) else LOOPBACK
        )
        self._app = app
        self._refuse = _ask_for_key if settings.own_name else _refuse
        self._names = [f"[{name}]" if ":" in name else name for name in names]
        self._public = f"{parts.scheme}://{parts.netloc}".lower() if has_public else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_TO_ANY_NAME:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) > 1:
            raise HTTPException(400)
        if "content-length" in headers and "transfer-encoding" in headers:
            # Two servers may read the body differently (RFC 9112, 6.3): the response closes the connection.
            raise HTTPException(400, headers={"Connection": "close"})
        if scope["path"].startswith(
            f"{DOOR}/"
        ):  # no other page can show a token, and the API has no session
            await self._app(scope, receive, send)
            return

        async def go_on(scope: Scope, receive: Receive, _send: Send) -> None:
            if scope["method"] not in {"GET", "HEAD", "POST"}:
                raise HTTPException(405, headers={"Allow": "GET, HEAD, POST"})
            if scope["method"] == "POST" and not self._is_ours(scope, headers):
                raise HTTPException(403)
            await self._app(scope, receive, send)

        await TrustedHostMiddleware(go_on, self._names, www_redirect=False)(
            scope, receive, self._refuse
        )

    def _is_ours(self, scope: Scope, headers: Headers) -> bool:
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        own = self._public or f"{scope['scheme']}://{headers.get('host', '')}".lower()
        return all(origin.lower() == own for origin in headers.getlist("origin"))


async def _refuse(_message: Message) -> None:
    raise HTTPException(400)


async def _ask_for_key(_message: Message) -> None:
    """A redirect from 127.0.0.1 would give the name to the other accounts of this computer."""
    raise NotIdentified


PageHandler = Callable[[PageContext], Response]
"""A page; synchronous and run in a thread, since it reads the database or the disk."""


def _nowhere(_context: PageContext) -> Response:
    raise HTTPException(NOT_FOUND)


def commune_page(
    path: str,
    name: str,
    *,
    get: PageHandler = _nowhere,
    post: PageHandler = _nowhere,
    again: PageHandler | None = None,
    most: int = FORM_BYTES,
) -> Route:
    """Return a route under `/communes/{commune}`; 404 for a commune that is not the agent's.

    `again` shows a form that `post` refuses, if `get` does not. `most` is the maximum size of its forms: `FILE_BYTES`
    for uploads.
    """

    def take(context: PageContext) -> Response:
        try:
            return post(context)
        except FormRefused as refused:
            return (again or get)(replace(context, faults=refused.faults, failure=refused.failure))

    async def send(context: PageContext) -> Response:
        limited = limit_body(context.request, most)
        async with limited.form(max_files=1, max_fields=300, max_part_size=FORM_BYTES) as form:
            require_csrf(limited, form)
            sent = replace(context, request=limited, form=form)
            limiter = context.services.uploads if most > FORM_BYTES else None
            response = await to_thread.run_sync(take, sent, limiter=limiter)
            await run_in_threadpool(drafts.drop_sent, sent, response)
            return response

    async def endpoint(request: Request) -> Response:
        services: WebServices = request.app.state.services
        agent = await admit_agent(request)
        context = PageContext(
            request, services, agent, agent.commune(request.path_params["commune"])
        )
        return await (
            send(context) if request.method == "POST" else run_in_threadpool(get, context)
        )

    endpoint.__name__ = name  # the name in the log
    methods = [
        method for method, answer in (("GET", get), ("POST", post)) if answer is not _nowhere
    ]
    return Route(f"/communes/{{commune}}{path}", endpoint, methods=methods, name=name)


ROUTES = (
    *entrance.ROUTES,
    suivi.FIND_REQUEST,
    commune_page("/taches", "taches", get=taches.show),
    commune_page("/brouillon", "brouillon", get=drafts.show, post=drafts.keep),
    commune_page("/plan", "plan", get=lambda context: context.render("taches/plan.html")),
    commune_page(
        "/reglages", "reglages", get=lambda context: context.render("taches/reglages.html")
    ),
    commune_page("/registre", "registre", get=registre.show, post=registre.drop, most=FILE_BYTES),
    commune_page("/registre/reprendre", "reprendre", post=registre.accept, again=registre.show),
    commune_page(
        "/registre/correspondance",
        "correspondance",
        get=registre.export_mapping,
        post=registre.match,
        again=registre.show,
    ),
    commune_page("/registre/laisser", "laisser", post=registre.give_up, again=registre.show),
    commune_page("/registre/corriger", "corriger", post=registre.correct, again=registre.show),
    commune_page("/listes", "listes", get=listes.show, post=listes.ask),
    commune_page("/copies", "copies", get=copies.show, post=copies.answer),
    commune_page("/statistiques", "statistiques", get=statistiques.show),
    commune_page("/statistiques.csv", "statistiques_csv", get=statistiques.download),
    commune_page("/tableaux", "tableaux", get=tableaux.show, post=tableaux.ask),
    commune_page("/suivi", "suivi", get=suivi.show),
    commune_page("/demandes/{demande}", "demande", get=suivi.show_request),
    commune_page(
        "/demandes/{demande}/annuler", "annuler", post=suivi.cancel, again=suivi.show_request
    ),
    commune_page(
        "/demandes/{demande}/recommencer", "recommencer", post=suivi.retry, again=suivi.show_request
    ),
    commune_page("/demandes/{demande}/masquer", "masquer", post=suivi.hide),
    commune_page("/exports", "exports", get=exports.show_all),
    commune_page("/exports/{export}", "export", get=exports.show),
    commune_page("/exports/{export}/fichier", "fichier", get=exports.download),
    commune_page("/exports/{export}/pieces/{piece}", "piece", get=exports.download_piece),
    commune_page(
        "/exports/{export}/anomalies", "anomalies", get=anomalies.show, post=anomalies.show
    ),
    commune_page("/exports/{export}/differences", "differences", get=exports.show_differences),
    commune_page(
        "/exports/{export}/publication",
        "publication",
        get=tableaux.show_publication,
        post=tableaux.declare,
    ),
    commune_page("/exports/{export}/reponse", "reponse", get=depot.show_answer),
    commune_page("/dossier", "dossier", get=dossier.show),
    commune_page("/dossier.zip", "dossier_zip", get=dossier.download),
    commune_page("/depot", "depot", get=depot.show, post=depot.declare),
    commune_page("/depot/verdict", "verdict", post=depot.record_verdict, again=depot.show),
    commune_page("/verifier", "verifier", get=verifier.show, post=verifier.verify, most=FILE_BYTES),
    commune_page("/echeances", "echeances", get=echeances.show),
    commune_page("/reunions", "reunions", get=noted.show_calendar, post=noted.change_calendar),
    commune_page("/motifs", "motifs", get=electeurs.show_motifs, post=electeurs.complete_motifs),
    commune_page("/doutes", "doutes", get=electeurs.show_doubts, post=electeurs.decide_doubt),
    commune_page("/bureaux", "bureaux", get=noted.show_bureaux, post=noted.describe_bureaux),
    commune_page("/mairie", "mairie", get=mairie.show_mairie, post=mairie.describe_mairie),
    commune_page(
        "/proteges", "proteges", get=electeurs.show_protected, post=electeurs.change_protected
    ),
    commune_page("/prevenir", "prevenir", get=noted.show_wishes, post=noted.choose_wishes),
    commune_page("/envois", "envois", get=journal.show_envois),
    commune_page("/journal", "journal", get=journal.show),
)


def create_app(
    settings: WebSettings,
    publish: Publish,
    *,
    key: str = "",
    reaches_broker: Callable[[], bool] | None = None,
    mails_kept_at: str = "",
) -> Starlette:
    """Create the screen without opening a connection. `publish` stores an event, or raises `ProducerError`.

    Without authentication, a browser shows `key` once to act as this computer's user (`serve.opening_address`).
    `mails_kept_at`: see WebServices.
    """
    state = State(settings.require_state_url())
    try:
        profiles = load_profiles(settings.profiles_dir)
    except ProfileError as error:
        raise ProducerConfigurationError(str(error)) from None
    secret = (
        settings.web_secret.get_secret_value() if settings.web_secret else secrets.token_urlsafe(32)
    )
    environment, assets = build_environment(), Assets()
    services = WebServices(
        settings,
        state,
        publish,
        _identity(state, settings, key),
        Jinja2Templates(env=environment),
        RateLimits(),
        Spool(settings.spool_dir, publish),
        Drafts(settings.spool_dir / "brouillons"),
        profiles,
        reaches_broker,
        mails_kept_at,
    )
    prefix = (
        "__Host-" if settings.is_https else ""
    )  # the browser enforces https and the root path for this prefix
    app = Starlette(
        routes=[*ROUTES, create_api(services), Mount("/static", assets, name="static")],
        middleware=[
            Middleware(SecurityHeaders, is_https=settings.is_https),
            Middleware(RequestLog),
            Middleware(
                TrustedProxies, trusted_hosts=[str(it) for it in settings.web_trusted_proxies]
            ),
            Middleware(OwnSite, settings=settings),
            Middleware(
                SignedSessions,
                secret_key=secret,
                session_cookie=f"{prefix}prefecture",
                https_only=settings.is_https,
            ),
        ],
        exception_handlers=HANDLERS,
        lifespan=_lifespan,
    )
    app.state.services = services
    environment.globals.update(path_for=app.url_path_for, static=assets.url)
    return app


def _identity(state: State, settings: WebSettings, key: str) -> Identity:
    match settings.web_auth:
        case "oidc":
            return OidcIdentity(state, settings)
        case "proxy":
            return ProxyIdentity(state, settings)
        case "none":
            return SingleUser(state, settings.web_agent, key)


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    services: WebServices = app.state.services
    if services.settings.web_auth == "proxy" and not services.settings.web_trusted_proxies:
        structlog.get_logger("producers.web").warning(
            "nobody_can_come", missing="PREFECTURE_WEB_TRUSTED_PROXIES"
        )
    services.spool.start()
    try:
        yield
    finally:
        await run_in_threadpool(services.spool.stop)
        services.state.close()
