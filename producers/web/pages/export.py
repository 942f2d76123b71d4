"""One file: everything that is known of it, and everything that can be done with it."""

from starlette.exceptions import HTTPException
from starlette.responses import Response

from producers.web.forms import new_once
from producers.web.pages.journal import ACTIONS
from producers.web.reading.exports import read_file
from producers.web.reading.journal import read_history
from producers.web.visit import NOT_FOUND, Visit


def show(visit: Visit) -> Response:
    """The page."""
    file = read_file(visit.screen.state, visit.commune.code, visit.number("export"))
    if file is None:
        raise HTTPException(NOT_FOUND)
    history = read_history(visit.screen.state, visit.commune.code, file.export_id)
    return visit.render("export.html", file=file, history=history, actions=ACTIONS, once=new_once())
