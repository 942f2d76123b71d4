"""The ASGI application of the screen: middleware, the table of all pages, and the checks before each page."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import URLPath
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from common.settings import describe_given
from producers.errors import StateAwayError
from producers.state import State
from producers.web import depot, dossier, echeances, entrance, journal, listes, tableaux, taches
from producers.web import notes as noted
from producers.web.anomalies import page as anomalies
from producers.web.api import create_api
from producers.web.depot import answer
from producers.web.error_pages import HANDLERS
from producers.web.exports import page as exports
from producers.web.exports.spool import Spool
from producers.web.middleware import OwnHosts, RequestLog, SameOrigin, SecurityHeaders, TrustedProxies
from producers.web.notes import electeurs
from producers.web.page_context import NOT_FOUND, Backups, PageContext, WebServices
from producers.web.registre import backup
from producers.web.registre import page as registre
from producers.web.security import (
    Identity,
    ProxyIdentity,
    SignedSessions,
    SingleUser,
    read_first_commune,
    require_agent,
    require_csrf,
)
from producers.web.security.limits import (
    BACKUP_BYTES,
    FIELD_BYTES,
    FILE_BYTES,
    FILE_FIELDS,
    FORM_BYTES,
    FORM_FIELDS,
    RateLimits,
    client_address,
    limit_body,
)
from producers.web.security.oidc import OidcIdentity
from producers.web.settings import WebSettings
from producers.web.suivi import page as suivi
from producers.web.tableaux import publication
from producers.web.templating import Assets, build_environment
from producers.web.verifier import page as verifier
from schemas.envelope import CloudEvent, Publish
from schemas.screen_notes import ScreenNoted, SettingsReported

PageHandler = Callable[[PageContext], Response]
"""A page; synchronous and run in a thread, since it reads the database or the disk."""

DOWNLOADS = frozenset({"dossier_zip", "fichier", "piece"})
"""Pages that send a file: they have a rate limit of their own."""


def commune_page(
    path: str, name: str, *, get: PageHandler | None = None, post: PageHandler | None = None, most: int = FORM_BYTES
) -> Route:
    """Return a route under `/communes/{commune}`; 404 for a commune that is not the agent's.

    `most` is the maximum size of its forms: `FILE_BYTES` for uploads.
    """

    def admit(request: Request) -> PageContext:
        services: WebServices = request.app.state.services
        agent = require_agent(request, services.identity)
        commune = agent.commune(request.path_params["commune"])
        if commune is None:
            raise HTTPException(NOT_FOUND)
        if name in DOWNLOADS:
            services.rates.count("download", agent=agent.name, address=client_address(request.scope))
        return PageContext(request, services, agent, commune)

    def read(request: Request) -> Response:
        """Share one connection for a page; a page that packs files must not hold one meanwhile."""
        state: State = request.app.state.services.state
        with nullcontext() if name in DOWNLOADS else state.one_connection():
            return _known(get)(admit(request))

    async def send(request: Request) -> Response:
        context = await run_in_threadpool(admit, request)
        services, agent = context.services, context.agent.name
        brings_file = most > FORM_BYTES
        async with services.turns.turn(agent) if brings_file else nullcontext():
            services.rates.count("post", agent=agent, address=client_address(request.scope))
            limited = limit_body(request, most)
            fields = FILE_FIELDS if brings_file else FORM_FIELDS
            part = FIELD_BYTES if brings_file else most
            async with limited.form(max_files=1, max_fields=fields, max_part_size=part) as form:
                require_csrf(limited, form)
                return await run_in_threadpool(_known(post), replace(context, request=limited, form=form))

    async def endpoint(request: Request) -> Response:
        if request.method == "POST":
            return await send(request)
        return await run_in_threadpool(read, request)

    endpoint.__name__ = name  # the name in the log
    methods = [method for method, answer in (("GET", get), ("POST", post)) if answer]
    return Route(f"/communes/{{commune}}{path}", endpoint, methods=methods, name=name)


def _known(answer: PageHandler | None) -> PageHandler:
    if answer is None:
        raise HTTPException(NOT_FOUND)
    return answer


ROUTES = (
    *entrance.ROUTES,
    suivi.FIND_REQUEST,
    commune_page("/taches", "taches", get=taches.show),
    commune_page("/plan", "plan", get=taches.show_map),
    commune_page("/registre", "registre", get=registre.show, post=registre.drop, most=FILE_BYTES),
    commune_page("/registre/reprendre", "reprendre", post=registre.accept),
    commune_page("/registre/laisser", "laisser", post=registre.give_up),
    commune_page("/registre/corriger", "corriger", post=registre.correct),
    commune_page("/listes", "listes", get=listes.show, post=listes.ask),
    commune_page("/tableaux", "tableaux", get=tableaux.show, post=tableaux.ask),
    commune_page("/suivi", "suivi", get=suivi.show),
    commune_page("/demandes/{demande}", "demande", get=suivi.show_request),
    commune_page("/demandes/{demande}/annuler", "annuler", post=suivi.cancel),
    commune_page("/demandes/{demande}/recommencer", "recommencer", post=suivi.retry),
    commune_page("/demandes/{demande}/masquer", "masquer", post=suivi.hide),
    commune_page("/exports", "exports", get=exports.show_all),
    commune_page("/exports/{export}", "export", get=exports.show),
    commune_page("/exports/{export}/fichier", "fichier", get=exports.download),
    commune_page("/exports/{export}/pieces/{piece}", "piece", get=exports.download_piece),
    commune_page("/exports/{export}/anomalies", "anomalies", get=anomalies.show, post=anomalies.search),
    commune_page("/exports/{export}/anomalies/traiter", "traiter", post=anomalies.handle),
    commune_page("/exports/{export}/differences", "differences", get=exports.show_differences),
    commune_page("/exports/{export}/publication", "publication", get=publication.show, post=publication.declare),
    commune_page("/exports/{export}/reponse", "reponse", get=answer.show),
    commune_page("/dossier", "dossier", get=dossier.show),
    commune_page("/dossier.zip", "dossier_zip", get=dossier.download),
    commune_page("/depot", "depot", get=depot.show, post=depot.declare),
    commune_page("/depot/verdict", "verdict", post=depot.record_verdict),
    commune_page("/verifier", "verifier", get=verifier.show, post=verifier.verify, most=FILE_BYTES),
    commune_page("/echeances", "echeances", get=echeances.show),
    commune_page("/reunions", "reunions", get=noted.show_calendar, post=noted.change_calendar),
    commune_page("/completer", "completer", get=noted.show_left),
    commune_page("/motifs", "motifs", get=electeurs.show_motifs, post=electeurs.complete_motifs),
    commune_page("/doutes", "doutes", get=electeurs.show_doubts, post=electeurs.decide_doubt),
    commune_page("/bureaux", "bureaux", get=noted.show_bureaux, post=noted.describe_bureau),
    commune_page("/proteges", "proteges", get=electeurs.show_protected, post=electeurs.change_protected),
    commune_page("/prevenir", "prevenir", get=noted.show_wishes, post=noted.choose_wishes),
    commune_page("/envois", "envois", get=journal.show_envois),
    commune_page("/journal", "journal", get=journal.show),
)

BACKUP_ROUTES = (
    commune_page("/sauvegarde", "sauvegarde", get=backup.show, post=backup.save),
    commune_page("/sauvegarde/verifier", "sauvegarde_verifier", post=backup.check, most=BACKUP_BYTES),
    commune_page("/sauvegarde/restaurer", "sauvegarde_restaurer", post=backup.replace),
    commune_page("/sauvegarde/laisser", "sauvegarde_laisser", post=backup.leave),
)
"""Only for a computer that stores all its data itself."""


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
        route = self._named.get(name)
        return route.url_path_for(name, **path_params) if route else super().url_path_for(name, **path_params)

    @cached_property
    def _named(self) -> Mapping[str, Route]:
        return {route.name: route for route in self.routes if isinstance(route, Route)}


def _identity(state: State, settings: WebSettings, key: str) -> Identity:
    match settings.web_auth:
        case "oidc":
            return OidcIdentity(state, settings)
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
    if not commune:
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
