"""The tab of list files."""

from typing import Any

from starlette.responses import Response

from producers.web.forms import text, texts, validate
from producers.web.page_context import PageContext
from producers.web.registre.query import read_registres
from producers.web.suivi.page import read_suivi
from producers.web.suivi.requests import send_request
from schemas.requests import ListeExportRequested
from schemas.vocabulary import FORMATS, Liste

FIELDS = ("listes", "format")


def show(context: PageContext) -> Response:
    """Show the form; the parameter `listes` preselects lists."""
    registres = read_registres(context.services.state, context.commune.code)
    return context.render(
        "listes/listes.html", form=_read_form(context), registres=registres, **read_suivi(context)
    )


def ask(context: PageContext) -> Response:
    form, offered = _read_form(context), context.platform.offered
    choices = f"choisissez {' ou '.join(FORMATS[it].label for it in offered)}"
    better = {"listes": "cochez au moins une liste", "format": choices}
    values: dict[str, object] = {
        "commune": context.commune.code,
        "requested_by": context.agent.name,
    }
    values |= {
        "listes": form["listes"],
        "formats": [form["format"]] if form["format"] in offered else [""],
    }
    data = validate(
        ListeExportRequested, values, FIELDS, {}, names={"formats": "format"}, better=better
    )
    send_request(context, data, f"Listes {', '.join(form['listes'])} [{form['format']}]")
    return context.redirect("listes", "#demandes")


def _read_form(context: PageContext) -> dict[str, Any]:
    if context.form:
        return {"listes": texts(context.form, "listes"), "format": text(context.form, "format")}
    asked = context.request.query_params.getlist("listes")
    return {
        "listes": [it for it in Liste if it in asked] or list(Liste),
        "format": context.platform.offered[0],
    }
