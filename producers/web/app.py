"""The ASGI application of the screen: middleware and pages."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import URLPath
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from common.settings import describe_given
from producers.errors import StateAwayError
from producers.state import State
from producers.web.api import create_api
from producers.web.error_pages import HANDLERS
from producers.web.exports.spool import Spool
from producers.web.middleware import OwnHosts, RequestLog, SameOrigin, SecurityHeaders, TrustedProxies
from producers.web.page_context import Backups, WebServices
from producers.web.routes import BACKUP_ROUTES, ROUTES
from producers.web.security import Identity, ProxyIdentity, SingleUser, read_first_commune
from producers.web.security.limits import RateLimits
from producers.web.security.oidc import OidcIdentity
from producers.web.security.session import SignedSessions
from producers.web.settings import WebSettings
from producers.web.templating import Assets, build_environment
from schemas.envelope import CloudEvent, Publish
from schemas.screen_notes import ScreenNoted, SettingsReported


def create_app(
    settings: WebSettings,
    publish: Publish,
    *,
    key: str = "",
    reaches_broker: Callable[[], bool] | None = None,
    backups: Backups | None = None,
    mails_kept_at: str = "",
) -> Starlette:
    """Create the screen without opening a connection. `publish` stores an event, or raises `ProducerError`.

    Without authentication, a browser shows `key` once to act as this computer's user (`serve.opening_address`), who may
    use `backups` to save and restore all data. `mails_kept_at`: see WebServices.
    """
    state = State(settings.require_state_url())
    secret = settings.web_secret.get_secret_value() if settings.web_secret else secrets.token_urlsafe(32)
    environment = build_environment()
    services = WebServices(
        settings,
        state,
        publish,
        _identity(state, settings, key),
        Jinja2Templates(env=environment),
        RateLimits(),
        Spool(settings.spool_dir, publish),
        reaches_broker,
        backups,
        mails_kept_at,
    )
    app = _Screen(
        routes=[*ROUTES, *(BACKUP_ROUTES if backups else ()), create_api(services), Assets().mount(environment)],
        middleware=_middleware(settings, secret),
        exception_handlers=HANDLERS,
        lifespan=_lifespan,
    )
    app.state.services = services
    environment.globals["path_for"] = app.url_path_for
    return app


class _Screen(Starlette):
    """Finds routes by name in a dictionary: a page has seventy URLs, and Starlette would try every route for each."""

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:  # noqa: ANN401 — as Starlette has it
        """Return the path of a page. Raises `NoMatchFound`: unknown name, or other parameters."""
        route = self._named.get(name)
        return route.url_path_for(name, **path_params) if route else super().url_path_for(name, **path_params)

    @cached_property
    def _named(self) -> Mapping[str, Route]:
        return {route.name: route for route in self.routes if isinstance(route, Route)}


def _identity(state: State, settings: WebSettings, key: str) -> Identity:
    match settings.web_auth:
        case "oidc":
            return OidcIdentity.of(state, settings)
        case "proxy":
            return ProxyIdentity(state, settings)
        case "none":
            return SingleUser(state, settings.web_agent, key)


def _middleware(settings: WebSettings, secret: str) -> list[Middleware]:
    """Return the middleware, outermost first."""
    prefix = "__Host-" if settings.is_https else ""  # the browser enforces https and the root path for this prefix
    return [
        Middleware(SecurityHeaders, is_https=settings.is_https),
        Middleware(RequestLog),
        Middleware(TrustedProxies, proxies=settings.web_trusted_proxies),
        Middleware(OwnHosts, settings=settings),
        Middleware(SameOrigin, settings=settings),
        Middleware(
            SignedSessions,
            secret_key=secret,
            session_cookie=f"{prefix}prefecture",
            https_only=settings.is_https,
        ),
    ]


def note_settings(app: Starlette) -> None:
    """Publish the settings of this screen, in the name of the first commune with an agent: an event needs a commune."""
    services: WebServices = app.state.services
    settings = services.settings
    try:
        commune = read_first_commune(services.state)
    except StateAwayError:
        commune = None
    if commune is None:
        structlog.get_logger("producers.web").warning("settings_not_recorded")
        return
    note = SettingsReported(settings=describe_given(settings)[:8000])
    data = ScreenNoted(commune=commune, note=note, requested_by=settings.source.strip("/") or "ecran")
    services.spool.send(CloudEvent.wrap(data, source=settings.source))


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    services: WebServices = app.state.services
    if services.settings.web_auth == "proxy" and not services.settings.web_trusted_proxies:
        structlog.get_logger("producers.web").warning("nobody_can_come", missing="PREFECTURE_WEB_TRUSTED_PROXIES")
    services.spool.start()
    try:
        yield
    finally:
        await run_in_threadpool(services.spool.stop)
        services.state.close()
