"""What an agent notes: published like any declaration, kept in sight until it is written down; what is left to note.

A page that names electors says so to the audit trail, by the spool: the trail has it even when the broker is away.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Select, column, func, select, table
from starlette.responses import Response

from producers.errors import ProducerError
from producers.state import State
from producers.web.depot.declarations import read_declarations, remember_declaration
from producers.web.forms import Faults, read_once, wrap_once
from producers.web.page_context import AWAY, UNPROCESSABLE, PageContext
from producers.web.security.session import answer_poll
from producers.web.suivi.pending import SendingFailure
from schemas.declarations import RegisterDeclared, RegisterNote
from schemas.screen_notes import ScreenNote, ScreenNoted

_LEFT = {
    "motifs": table("mouvements_a_completer"),
    "doutes": table("doutes_ouverts"),
    "bureaux": table("bureaux"),
    "proteges": table("electeurs_proteges"),
}
"""By page, the view whose lines wait for a clerk, or are hers to keep."""
_WAITS = {"bureaux": column("code_canton") == ""}
"""Of a view that holds others too, those that wait."""


def send_note(
    context: PageContext, page: str, note: RegisterNote | ScreenNote, words: str, about: Iterable[int] = ()
) -> SendingFailure | None:
    """Publish the note of a form of that page, once; return why the broker did not take it.

    `about` are the rows that the page marks until the note is recorded.
    """
    who = {"commune": context.commune.code, "requested_by": context.agent.name}
    data = ScreenNoted(note=note, **who) if isinstance(note, ScreenNote) else RegisterDeclared(note=note, **who)
    event = wrap_once(data, source=context.services.settings.source, once=read_once(context.form))
    try:
        context.publish(event)
    except ProducerError as error:
        return SendingFailure(str(error))
    remember_declaration(context.request, event, context.commune.code, about, words, page=page)
    return None


def note_page(
    context: PageContext,
    page: str,
    read: Callable[[], Mapping[str, Any]],
    *,
    faults: Faults | None = None,
    failure: SendingFailure | None = None,
) -> Response:
    """Draw a page of the slice: `notes/<page>.html`, with what is on its way, then what is `read`, and what is wrong.

    In this order: what is written down while the page is drawn is either still on its way, and the page comes back to
    it, or already among the lines.
    """
    pending = read_declarations(context.request, context.services, context.commune.code, page)
    status = UNPROCESSABLE if faults else AWAY if failure else 200
    given = {"faults": faults or Faults(), "failure": failure, "pending": pending, "today": context.today}
    response = context.render(f"notes/{page}.html", status, **given, **read(), once=read_once(context.form), page=page)
    answer_poll(context.request, response, is_done=not pending.waiting)
    return response


def count_left(state: State, commune: str, pages: Iterable[str]) -> dict[str, int]:
    """How many lines of a commune wait on each of these pages: `motifs`, `doutes`, `bureaux`; who is protected.

    Raises:
        StateAwayError: the database did not answer.
    """
    with state.reading() as connection:
        return {page: connection.execute(_select_left(page, commune)).scalar_one() for page in pages}


def _select_left(page: str, commune: str) -> Select[int]:
    of_commune = select(func.count()).select_from(_LEFT[page]).where(column("code_commune") == commune)
    return of_commune.where(_WAITS[page]) if page in _WAITS else of_commune


def show_left(context: PageContext) -> Response:
    """« À compléter »: what is left, and where."""
    pages = [page for page in _LEFT if page != "proteges" or context.commune.may_protect]
    return context.render("notes/completer.html", left=count_left(context.services.state, context.commune.code, pages))
