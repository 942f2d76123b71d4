"""The tab of list files."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from common.calendrier import civil_day
from common.french import short_date
from producers.web.exports.query import AskedFile, read_current
from producers.web.forms import FormRefused, text, texts, validate
from producers.web.page_context import PageContext
from producers.web.registre.query import read_registres
from producers.web.suivi.page import read_suivi
from producers.web.suivi.requests import send_request
from schemas.requests import ListeExportRequested
from schemas.vocabulary import FORMATS, Liste

FIELDS = ("listes", "format")
_AGAIN = "encore"
"""The button that makes files again; also the field of the fault that offers it."""


def show(context: PageContext) -> Response:
    """Show the form; the parameter `listes` preselects lists."""
    registres = read_registres(context.services.state, context.commune.code)
    return context.render(
        "listes/listes.html",
        form=_read_form(context),
        registres=registres,
        had=_find_had(context) if _AGAIN in context.faults else [],
        **read_suivi(context),
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
    if _AGAIN not in context.form and (had := _find_had(context)):
        raise FormRefused({_AGAIN: _describe_had(had)})
    send_request(context, data, f"Listes {', '.join(form['listes'])} [{form['format']}]")
    return context.redirect("listes", "#demandes")


def _find_had(context: PageContext) -> list[AskedFile]:
    """Return the usable files of the form's lists and format, of the same export of the REU and the same profile."""
    form, profile = _read_form(context), context.platform.record(of_liste=True)
    return [
        file
        for file in read_current(context.services.state, context.commune.code)
        if not file.is_tableau
        and (file.liste in form["listes"] and file.format == form["format"])
        and (file.is_usable and not file.outdated_at and file.profile == profile)
    ]


def _describe_had(files: Sequence[AskedFile]) -> str:
    named = [
        f"{Liste(file.liste).short_label.lower()}, demandée le "
        f"{short_date(civil_day(file.requested_at, file.code_commune))}"
        for file in files
    ]
    same = "Le registre est toujours celui du même export du REU"
    return f"Vous l'avez déjà : {' ; '.join(named)}. {same}."


def _read_form(context: PageContext) -> dict[str, Any]:
    if context.form:
        return {"listes": texts(context.form, "listes"), "format": text(context.form, "format")}
    asked = context.request.query_params.getlist("listes")
    return {
        "listes": [it for it in Liste if it in asked] or list(Liste),
        "format": context.platform.offered[0],
    }
