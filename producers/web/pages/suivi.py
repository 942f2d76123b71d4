"""« Demandes en cours » and « Derniers exports »: the part of a page that lives, in the page and by itself."""

from typing import Any

from starlette.responses import HTMLResponse, Response

from producers.web.board import build_board, just_ended
from producers.web.reading.demandes import Recent, read_recent
from producers.web.security.csrf import csrf_token
from producers.web.sent import forget, still_sent
from producers.web.visit import Visit


def board_facts(visit: Visit) -> dict[str, Any]:
    """What the templates of the board want, for a whole page.

    Raises:
        StateAwayError: the database did not answer.
    """
    recent = read_recent(visit.screen.state, visit.commune.code)
    return _facts(visit, recent) | {"sent": forget(visit.request, visit.screen, visit.commune.code)}


def render_board(visit: Visit, recent: Recent) -> str:
    """The board alone, as it is sent to a page that is open.

    Raises:
        StateAwayError: the database did not answer.
    """
    context = _facts(visit, recent) | {
        "request": visit.request,
        "agent": visit.agent,
        "commune": visit.commune,
        "csrf_token": csrf_token(visit.request),
        "now": visit.screen.clock(),
        "settings": visit.screen.settings,
        "sent": still_sent(visit.request, visit.screen, visit.commune.code),
    }
    return visit.screen.templates.get_template("suivi.html").render(context)


def show(visit: Visit) -> Response:
    """The board alone, for a page whose stream is cut."""
    return HTMLResponse(render_board(visit, read_recent(visit.screen.state, visit.commune.code)))


def _facts(visit: Visit, recent: Recent) -> dict[str, Any]:
    now = visit.screen.clock()
    cards = build_board(recent, now)
    return {
        "cards": cards,
        "latest": recent.latest,
        "announced": just_ended(cards, now),
        "newest_request": recent.newest_request,
    }
