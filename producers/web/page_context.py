"""The context of a page: services, agent, commune and form."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from anyio import CapacityLimiter
from sqlalchemy import Row, Select
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from common.calendrier import civil_day, now
from producers.errors import BrokerBlockedError, QueueFullError, UnconfirmedError
from producers.state import State
from producers.web.drafts import Drafts
from producers.web.exports.query import AskedFile, find_file
from producers.web.exports.spool import Spool
from producers.web.forms import Faults, Paging, page_number, read_number, read_once
from producers.web.security import (
    AgentCommune,
    AuthorizedAgent,
    csrf_token,
    is_partial,
    require_agent,
)
from producers.web.security.limits import RateLimits
from producers.web.security.oidc import Identity
from producers.web.settings import WebSettings
from schemas.envelope import CloudEvent, Publish
from schemas.profiles.platform import PlatformProfile, PlatformProfiles
from schemas.screen_notes import ElecteursSeen, ScreenNoted
from schemas.vocabulary import SeenPage

SEE_OTHER, NOT_FOUND, CONFLICT, GONE, UNPROCESSABLE, BROKEN, AWAY = (
    303,
    404,
    409,
    410,
    422,
    500,
    503,
)


@dataclass(frozen=True)
class WebServices:
    settings: WebSettings
    state: State
    publish: Publish
    identity: Identity
    templates: Jinja2Templates
    rates: RateLimits
    spool: Spool
    drafts: Drafts
    profiles: PlatformProfiles
    reaches_broker: Callable[[], bool] | None = None
    """Whether the broker is reachable; None if there is no broker."""
    mails_kept_at: str = ""
    """The local folder of mails if there is no mail server; empty if mails are sent."""
    clock: Callable[[], datetime] = now
    uploads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(3))
    """Uploads processed at once: each has a reading process of its own, of 256 MiB at most."""
    seen: dict[tuple[str, SeenPage], tuple[str, datetime]] = field(default_factory=dict)
    """The last read that `record_seen` recorded of an agent and a page."""

    @property
    def sender(self) -> str:
        """The sender of the agents' requests: the account of the screen; none without a broker."""
        return "" if self.reaches_broker is None else self.settings.account


async def admit_agent(request: Request) -> AuthorizedAgent:
    """Count the request, then read the agent and their communes from the database."""
    services: WebServices = request.app.state.services
    who = services.identity.who(request)
    services.rates.count(request, who)
    return await run_in_threadpool(require_agent, request, services.identity.identify)


@dataclass(frozen=True)
class PageContext:
    request: Request
    services: WebServices
    agent: AuthorizedAgent
    commune: AgentCommune
    form: FormData = field(default_factory=FormData)
    faults: Faults = field(default_factory=dict)
    """The errors of the form that was sent, which the page shows again."""
    failure: str | None = None

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    @property
    def platform(self) -> PlatformProfile:
        return self.services.profiles.of(self.commune.code)

    @property
    def today(self) -> date:
        return civil_day(self.services.clock(), self.commune.code)

    def number(self, name: str) -> int:
        """Return a number of the path; raise 404 if it is invalid."""
        number = read_number(self.request.path_params[name])
        if number is None:
            raise HTTPException(NOT_FOUND)
        return number

    def file(self) -> AskedFile:
        """Return the file of the path, in any state; raise 404 if the commune has none with this number."""
        file = find_file(self.services.state, self.number("export"))
        if file is None or file.code_commune != self.commune.code:
            raise HTTPException(NOT_FOUND)
        return file

    def selected_file(self) -> AskedFile | None:
        """Return the commune's file that the parameter `export` of the URL selects; None without a valid one."""
        number = read_number(self.query.get("export", ""))
        file = find_file(self.services.state, number) if number else None
        return file if file and file.code_commune == self.commune.code else None

    def read_page(
        self, query: Select[Any], size: int, kept: Mapping[str, str]
    ) -> tuple[Sequence[Row[Any]], Paging]:
        """Return the rows of the page that the URL asks for; links to the other pages keep the filters `kept`."""
        page = page_number(self.query.get("page", ""))
        rows, total = self.services.state.read_page(query, page, size)
        return rows, Paging.of(self.request.url.path, kept, page=page, total=total, size=size)

    def render(self, template: str, status_code: int = 0, **values: Any) -> Response:  # noqa: ANN401 — for the template
        """Render a page; `faults` and `failure` give the status, unless the caller does."""
        status = status_code or (UNPROCESSABLE if self.faults else AWAY if self.failure else 200)
        known = {
            "agent": self.agent,
            "commune": self.commune,
            "platform": self.platform,
            "logout": str(self.request.app.url_path_for("deconnexion"))
            if self.services.settings.has_login
            else "",
            "csrf_token": csrf_token(self.request),
            "now": self.services.clock(),
            "today": self.today,
            "once": read_once(self.form),
            "sent": self.form,
            "faults": self.faults,
            "failure": self.failure,
            "settings": self.services.settings,
            "mails_kept_at": self.services.mails_kept_at,
        } | values
        return self.services.templates.TemplateResponse(
            self.request, template, known, status_code=status
        )

    def redirect(self, page: str, after: str = "", **path: Any) -> Response:  # noqa: ANN401 — parameters of the path
        """Redirect to a page of this commune; `after`: query and fragment of the URL."""
        return RedirectResponse(f"{self.url(page, **path)}{after}", SEE_OTHER)

    def url(self, page: str, **path: Any) -> str:  # noqa: ANN401 — parameters of the path
        """Return the path of a page of this commune; it has no host, which proxies may change."""
        return str(self.request.app.url_path_for(page, commune=self.commune.code, **path))

    def record_seen(self, page: SeenPage, electeurs: int, export: int | None = None) -> None:
        """Record in the audit trail that a page names electors, or raise `HTTPException` 503: it must not be shown.

        htmx reads the page again every two seconds: while it names as many, a line is recorded every ten minutes.
        """
        if not electeurs:
            return
        who, now = (self.agent.name, page), self.services.clock()
        shown = f"{self.request.method} {self.request.url} {electeurs}"
        before, recorded_at = self.services.seen.get(who, ("", now))
        is_again = before == shown and now - recorded_at < timedelta(minutes=10)
        if not (is_again and is_partial(self.request) and self.request.method == "GET"):
            note = ElecteursSeen(page=page, electeurs=electeurs, export=export)
            data = ScreenNoted(commune=self.commune.code, note=note, requested_by=self.agent.name)
            if not self.services.spool.send(
                CloudEvent.wrap(data, source=self.services.settings.source)
            ):
                raise HTTPException(
                    AWAY, "Voir des électeurs se note, et rien ne peut être noté en ce moment."
                )
            self.services.seen[who] = shown, now

    def publish(self, event: CloudEvent) -> None:
        """Publish a request or a note of the agent, or raise `ProducerError` with a message for the clerk.

        An event is spooled if a queue is full, the broker is in alarm or a confirm is missing, and sent later under the
        same id. Later events of the commune wait behind it, so that no verdict precedes its deposit. If the broker is
        absent or refuses the account, the agent gets the error: the event may be obsolete once that is repaired.
        """
        self.request.state.correlation_id = event.correlationid
        spool = self.services.spool
        if spool.keeps(self.commune.code) and spool.keep(event, in_order=True):
            return
        try:
            self.services.publish(event)
        except (BrokerBlockedError, QueueFullError, UnconfirmedError):
            if not spool.keep(event, in_order=True):
                raise
