"""Does it live, can it work? For containers and supervisors; tells nothing that a stranger may not know."""

import os
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from producers.web.reading.habilitations import answers
from producers.web.screen import Screen

_READY, _NOT_READY = 200, 503


async def _live(_request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"vivant": True})


async def _be_ready(request: Request) -> Response:
    """Without the broker files are still given, so its absence is told and no more."""
    screen: Screen = request.app.state.screen
    facts = await run_in_threadpool(_look, screen)
    return JSONResponse(facts, _READY if facts["base"] and facts["exports"] else _NOT_READY)


def _look(screen: Screen) -> dict[str, bool]:
    facts = {"vivant": True, "base": answers(screen.state), "exports": _is_readable(screen.settings.exports_dir)}
    if screen.reaches_broker is not None:
        facts["broker"] = screen.reaches_broker()
    return facts


def _is_readable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)


HEALTH = (
    Route("/sante", _be_ready, name="sante"),
    Route("/sante/vie", _live, name="vie"),
)
