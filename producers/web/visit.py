"""One visit: who comes, for which commune, with which form; and the answers that pages give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from common.clock import local_day
from producers.web.forms import read_number
from producers.web.reading.exports import AskedFile
from producers.web.screen import Screen
from producers.web.security.body import FORM_BYTES, limit_body
from producers.web.security.csrf import csrf_token, require_csrf
from producers.web.security.identity import Agent, Commune
from producers.web.security.peers import client_address
from producers.web.security.session import require_agent
from producers.web.security.streams import CountedStream, is_stream
from schemas.declarations import FileDownloaded
from schemas.envelope import CloudEvent
from schemas.vocabulary import Piece

SEE_OTHER, NOT_FOUND = 303, 404


@dataclass(frozen=True)
class Visit:
    """What a page knows of the request it answers."""

    request: Request
    screen: Screen
    agent: Agent
    commune: Commune
    form: FormData = field(default_factory=FormData)

    @property
    def query(self) -> Mapping[str, str]:
        """What stands after the question mark of the address."""
        return self.request.query_params

    @property
    def today(self) -> date:
        """The day that it is in the town hall."""
        return local_day(self.screen.clock(), self.commune.code)

    def number(self, name: str) -> int:
        """A number of the path; 404 when it is that of no row."""
        number = read_number(self.request.path_params[name])
        if number is None:
            raise HTTPException(NOT_FOUND)
        return number

    def render(self, template: str, status_code: int = 200, **facts: Any) -> Response:  # noqa: ANN401 — for the template
        """A page, or a part of one."""
        context = {
            "agent": self.agent,
            "commune": self.commune,
            "logout": str(self.request.app.url_path_for("deconnexion")) if self.screen.identity.has_door else "",
            "csrf_token": csrf_token(self.request),
            "now": self.screen.clock(),
            "settings": self.screen.settings,
        }
        return self.screen.templates.TemplateResponse(self.request, template, context | facts, status_code=status_code)

    def go(self, page: str, **path: Any) -> Response:  # noqa: ANN401 — parameters of the path
        """Send the browser to another page of the commune."""
        return RedirectResponse(self.url(page, **path), SEE_OTHER)

    def url(self, page: str, **path: Any) -> str:  # noqa: ANN401 — parameters of the path
        """The address of a page of this commune, without host: proxies may change that."""
        return str(self.request.app.url_path_for(page, commune=self.commune.code, **path))

    def download_of(self, file: AskedFile, piece: Piece) -> CloudEvent:
        """What is declared once a file was taken, in the correlation of its request."""
        data = FileDownloaded(
            commune=self.commune.code, export=file.export_id, piece=piece, requested_by=self.agent.name
        )
        return CloudEvent.wrap(data, source=self.screen.settings.source, correlationid=file.correlation_id)

    def publish(self, event: CloudEvent) -> None:
        """Send an event; the line of log of this visit bears its correlation id.

        Raises:
            ProducerError: it was not taken; the message is for the clerk.
        """
        self.request.state.correlation_id = event.correlationid
        self.screen.publish(event)


Answer = Callable[[Visit], Response]
"""A page: synchronous, run in a thread, since it reads the database or the disk."""


DOWNLOADS = frozenset({"dossier_zip", "fichier", "rapport"})
"""Pages that give a file: their rate is their own."""


def commune_page(
    path: str, name: str, *, get: Answer | None = None, post: Answer | None = None, most: int = FORM_BYTES
) -> Route:
    """A route under `/communes/{commune}`; another commune than the agent's own is not found.

    Its forms hold `most` bytes: `security.body.FILE_BYTES` where a file is dropped.
    """
    answers = {"GET": get, "POST": post}

    async def endpoint(request: Request) -> Response:
        screen: Screen = request.app.state.screen
        agent = await run_in_threadpool(require_agent, request, screen.identity)
        commune = agent.commune(request.path_params["commune"])
        answer = answers["POST" if request.method == "POST" else "GET"]
        if commune is None or answer is None:
            raise HTTPException(NOT_FOUND)
        address = client_address(request.scope)
        if name in DOWNLOADS:
            screen.rates.count("download", agent=agent.name, address=address)
        form = FormData()
        if request.method == "POST":
            screen.rates.count("post", agent=agent.name, address=address)
            request = limit_body(request, most)
            form = await request.form(max_files=1, max_fields=200)
            require_csrf(request, form)
        response = await run_in_threadpool(answer, Visit(request, screen, agent, commune, form))
        return CountedStream(response, request, screen.rates, agent.name) if is_stream(response) else response

    endpoint.__name__ = name  # what the log calls it
    methods = [method for method, answer in answers.items() if answer]
    return Route(f"/communes/{{commune}}{path}", endpoint, methods=methods, name=name)
