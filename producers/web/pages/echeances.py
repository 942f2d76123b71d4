"""The calendar: what each coming poll calls for, and whether it was made."""

from urllib.parse import urlencode

from starlette.responses import Response

from producers.web.echeances import Due
from producers.web.pages.calendar import read_calendar
from producers.web.visit import Visit

_SHOWN_REUNIONS = 6


def show(visit: Visit) -> Response:
    """The page."""
    calendar = read_calendar(visit)
    return visit.render(
        "echeances.html",
        today=visit.today,
        agendas=calendar.agendas,
        reunions=calendar.reunions[:_SHOWN_REUNIONS],
        ask_for=lambda due: _ask_for(visit, due),
    )


def _ask_for(visit: Visit, due: Due) -> str:
    """The address of the form that asks for this tableau, filled in."""
    echeance = due.echeance
    asked = {"type": echeance.type, "scrutin": echeance.scrutin.isoformat() if echeance.scrutin else ""}
    return f"{visit.url('tableaux')}?{urlencode(asked)}"
