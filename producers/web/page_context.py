"""What a page is given: the parts of the application, who comes, for which commune, with which form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from common.clock import local_day, now
from producers.state import State
from producers.web.exports.query import AskedFile
from producers.web.exports.spool import Spool
from producers.web.forms import read_number
from producers.web.security.identity import AgentCommune, AuthorizedAgent, Identity
from producers.web.security.limits import RateLimits
from producers.web.security.session import ReturnAddresses, csrf_token
from producers.web.settings import WebSettings
from producers.web.suivi.live_updates import LiveUpdates
from schemas.declarations import FileDownloaded
from schemas.envelope import CloudEvent, Publish
from schemas.vocabulary import Piece

SEE_OTHER, NOT_FOUND, CONFLICT, GONE, UNPROCESSABLE, BROKEN, AWAY = 303, 404, 409, 410, 422, 500, 503


@dataclass(frozen=True)
class WebServices:
    """The parts of the screen."""

    settings: WebSettings
    state: State
    publish: Publish
    identity: Identity
    templates: Jinja2Templates
    returns: ReturnAddresses
    rates: RateLimits
    live: LiveUpdates
    spool: Spool
    reaches_broker: Callable[[], bool] | None = None
    """Whether the broker answers; None where there is none."""
    clock: Callable[[], datetime] = now


@dataclass(frozen=True)
class PageContext:
    """What a page knows of the request it answers."""

    request: Request
    services: WebServices
    agent: AuthorizedAgent
    commune: AgentCommune
    form: FormData = field(default_factory=FormData)

    @property
    def query(self) -> Mapping[str, str]:
        """What stands after the question mark of the address."""
        return self.request.query_params

    @property
    def today(self) -> date:
        """The day that it is in the town hall."""
        return local_day(self.services.clock(), self.commune.code)

    def number(self, name: str) -> int:
        """A number of the path; 404 when it is that of no row."""
        number = read_number(self.request.path_params[name])
        if number is None:
            raise HTTPException(NOT_FOUND)
        return number

    def render(self, template: str, status_code: int = 200, **values: Any) -> Response:  # noqa: ANN401 — for the template
        """A page."""
        known = self._known_to_templates()
        return self.services.templates.TemplateResponse(self.request, template, known | values, status_code=status_code)

    def render_part(self, template: str, **values: Any) -> str:  # noqa: ANN401 — for the template
        """A part of a page, as it is sent to one that is open."""
        known = self._known_to_templates() | {"request": self.request}
        return self.services.templates.get_template(template).render(known | values)

    def redirect(self, page: str, fragment: str = "") -> Response:
        """Send the browser to another page of the commune, or to a place of it."""
        return RedirectResponse(f"{self.url(page)}{fragment and '#'}{fragment}", SEE_OTHER)

    def url(self, page: str, **path: Any) -> str:  # noqa: ANN401 — parameters of the path
        """The address of a page of this commune, without host: proxies may change that."""
        return str(self.request.app.url_path_for(page, commune=self.commune.code, **path))

    def download_of(self, file: AskedFile, piece: Piece) -> CloudEvent:
        """The event that says, once a file was taken, that it was, in the correlation of its request."""
        data = FileDownloaded(
            commune=self.commune.code, export=file.export_id, piece=piece, requested_by=self.agent.name
        )
        return CloudEvent.wrap(data, source=self.services.settings.source, correlationid=file.correlation_id)

    def publish(self, event: CloudEvent) -> None:
        """Send an event; the line of log of this request bears its correlation id.

        Raises:
            ProducerError: it was not taken; the message is for the clerk.
        """
        self.request.state.correlation_id = event.correlationid
        self.services.publish(event)

    def _known_to_templates(self) -> dict[str, Any]:
        return {
            "agent": self.agent,
            "commune": self.commune,
            "logout": str(self.request.app.url_path_for("deconnexion")) if self.services.identity.has_login else "",
            "csrf_token": csrf_token(self.request),
            "now": self.services.clock(),
            "settings": self.services.settings,
        }
