"""What the script of a page asks of its draft: read it, store fields, delete it."""

import json
from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from producers.web.forms import text
from producers.web.page_context import AWAY, NOT_FOUND, SEE_OTHER, PageContext
from producers.web.security import csrf_token

FIELD = "brouillon"
"""The field of a form that names its draft: the path of the page, a space, and the form on that page."""


def show(context: PageContext) -> Response:
    """Return the draft of a page of this commune, and the token with which the page may send its forms."""
    context.services.drafts.cleanup()
    draft = context.services.drafts.read(
        context.agent.name, _page(context, context.query.get("page", ""))
    )
    return JSONResponse({"jeton": csrf_token(context.request), "formulaires": draft})


def keep(context: PageContext) -> Response:
    """Store what was typed since the last time; without fields, delete the drafts of the page. 503: nothing is kept."""
    page, _, form = text(context.form, FIELD).partition(" ")
    drafts, agent, page = context.services.drafts, context.agent.name, _page(context, page)
    try:
        fields = json.loads(text(context.form, "champs") or "{}")
    except ValueError:
        raise HTTPException(NOT_FOUND) from None
    if not isinstance(fields, dict) or not all(
        value is None or isinstance(value, str) for value in fields.values()
    ):
        raise HTTPException(NOT_FOUND)
    try:
        if fields:
            drafts.keep(agent, page, form, fields)
        else:
            drafts.drop(agent, page, "")
    except OSError:
        raise HTTPException(AWAY, "") from None
    return Response(status_code=204)


def drop_sent(context: PageContext, response: Response) -> None:
    page, _, form = text(context.form, FIELD).partition(" ")
    if form and response.status_code == SEE_OTHER:
        with suppress(OSError):
            context.services.drafts.drop(context.agent.name, page, form)


def _page(context: PageContext, path: str) -> str:
    if not path.startswith(f"/communes/{context.commune.code}/"):
        raise HTTPException(NOT_FOUND)
    return path
