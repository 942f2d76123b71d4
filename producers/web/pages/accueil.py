"""The first page."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from producers.web.screen import Screen
from producers.web.security.session import require_agent
from producers.web.visit import SEE_OTHER


async def _start(request: Request) -> Response:
    """Send the agent to her commune; to the choice of one when she has several."""
    screen: Screen = request.app.state.screen
    agent = await run_in_threadpool(require_agent, request, screen.identity)
    if len(agent.communes) == 1:
        return RedirectResponse(request.app.url_path_for("listes", commune=agent.communes[0].code), SEE_OTHER)
    return screen.templates.TemplateResponse(request, "communes.html", {"agent": agent})


START = Route("/", _start, name="start")
