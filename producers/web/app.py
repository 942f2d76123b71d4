"""The screen as one ASGI application: what surrounds each page, and the pages."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.templating import Jinja2Templates

from producers.state import State
from producers.web.assets import Assets
from producers.web.failures import HANDLERS
from producers.web.live import Live
from producers.web.request_words import add_request_words
from producers.web.routes import NAVIGATION, ROUTES
from producers.web.screen import Publish, Screen
from producers.web.security.alone import Alone
from producers.web.security.headers import SecurityHeaders
from producers.web.security.hosts import OwnNames, own_names
from producers.web.security.identity import Identity
from producers.web.security.oidc import Oidc
from producers.web.security.origin import SameOrigin
from producers.web.security.peers import Peers
from producers.web.security.proxy import Proxy
from producers.web.security.rates import Rates
from producers.web.security.returns import Returns
from producers.web.security.session import SESSION_SECONDS
from producers.web.settings import WebSettings
from producers.web.spool import Spool
from producers.web.watch import Watch
from producers.web.words import add_words

_TEMPLATES = Path(__file__).parent / "templates"


def create_app(
    settings: WebSettings, publish: Publish, *, reaches_broker: Callable[[], bool] | None = None
) -> Starlette:
    """The screen; nothing is connected yet. `publish` keeps an event, or raises `ProducerError`."""
    state = State(settings.require_state_url())
    secret = settings.web_secret.get_secret_value() if settings.web_secret else secrets.token_urlsafe(32)
    environment = _environment()
    screen = Screen(
        settings,
        state,
        publish,
        _identity(state, settings),
        Jinja2Templates(env=environment),
        Returns(secret),
        Rates(),
        Live(state),
        Spool(settings.web_spool_dir, publish),
        reaches_broker,
    )
    app = Starlette(
        routes=[*ROUTES, Assets().mount(environment)],
        middleware=_surroundings(settings, secret),
        exception_handlers=HANDLERS,
        lifespan=_live,
    )
    app.state.screen = screen
    return app


def _identity(state: State, settings: WebSettings) -> Identity:
    match settings.web_auth:
        case "oidc":
            return Oidc.of(state, settings)
        case "proxy":
            return Proxy(state, settings)
        case "none":
            return Alone(state, settings.web_agent)


def _surroundings(settings: WebSettings, secret: str) -> list[Middleware]:
    """From the outside: each sees what the ones before let through, and the answers of those after."""
    prefix = "__Host-" if settings.is_https else ""  # the browser itself refuses it without https, or for another path
    return [
        Middleware(SecurityHeaders, is_https=settings.is_https),
        Middleware(Watch),
        Middleware(Peers, proxies=settings.web_trusted_proxies),
        Middleware(OwnNames, names=own_names(settings)),
        Middleware(SameOrigin, settings=settings),
        Middleware(
            SessionMiddleware,
            secret_key=secret,
            session_cookie=f"{prefix}prefecture",
            max_age=SESSION_SECONDS,
            same_site="lax",
            https_only=settings.is_https,
        ),
    ]


@asynccontextmanager
async def _live(app: Starlette) -> AsyncIterator[None]:
    screen: Screen = app.state.screen
    if screen.settings.web_auth == "proxy" and not screen.settings.web_trusted_proxies:
        structlog.get_logger("producers.web").warning("nobody_can_come", missing="PREFECTURE_WEB_TRUSTED_PROXIES")
    screen.spool.start()
    try:
        yield
    finally:
        await run_in_threadpool(screen.spool.stop)
        screen.state.close()


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    add_words(environment)
    add_request_words(environment)
    environment.globals["NAVIGATION"] = NAVIGATION
    return environment
