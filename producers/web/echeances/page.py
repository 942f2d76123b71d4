"""The calendar: what each coming poll and the year call for, and whether it was made."""

from urllib.parse import urlencode

from starlette.responses import Response

from producers.web.echeances.agenda import DueTableau, read_calendar
from producers.web.page_context import PageContext

_SHOWN_REUNIONS = 6


def show(context: PageContext) -> Response:
    """The page."""
    calendar = read_calendar(context.services.state, context.commune.code, context.today)
    return context.render(
        "echeances/echeances.html",
        today=context.today,
        agendas=calendar.agendas,
        has_scrutin=bool(calendar.scrutins),
        reunions=calendar.reunions[:_SHOWN_REUNIONS],
        ask_for=lambda due: _ask_for(context, due),
    )


def _ask_for(context: PageContext, due: DueTableau) -> str:
    """The address of the form that asks for this tableau, filled in."""
    return f"{context.url('tableaux')}?{urlencode(due.asked)}"
