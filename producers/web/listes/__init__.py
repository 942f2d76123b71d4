"""The tab of list files."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from producers.web.forms import Faults, text, texts, validate
from producers.web.page_context import PageContext
from producers.web.registre.query import read_registres
from producers.web.suivi.page import read_suivi
from producers.web.suivi.requests import send_request
from schemas.requests import ListeExportRequested
from schemas.vocabulary import FORMATS, Format, Liste

FIELDS = ("listes", "format")
_CHOICES = {
    "listes": "cochez au moins une liste",
    "format": f"choisissez {' ou '.join(FORMATS[format_].label for format_ in Format)}",
}


@dataclass(frozen=True)
class ListesForm:
    listes: Sequence[str] = tuple(Liste)
    format: str = Format.CSV

    @property
    def words(self) -> str:
        """Return the name of the request, shown until a worker has read it."""
        return f"Listes {', '.join(self.listes)} [{self.format}]"


def show(context: PageContext) -> Response:
    """Show the form; the parameter `listes` preselects lists."""
    wanted = tuple(liste for liste in Liste if liste in context.request.query_params.getlist("listes"))
    return _page(context, ListesForm(wanted or tuple(Liste), context.platform.offered[0]))


def ask(context: PageContext) -> Response:
    form = ListesForm(texts(context.form, "listes"), text(context.form, "format"))
    values: dict[str, object] = {"commune": context.commune.code, "requested_by": context.agent.name}
    values |= {"listes": form.listes, "formats": [form.format]}
    data, faults = validate(ListeExportRequested, values, FIELDS, {}, names={"formats": "format"}, better=_CHOICES)
    if data is None:
        return _page(context, form, faults=faults)
    if failure := send_request(context, data, form.words):
        return _page(context, form, failure=failure)
    return context.redirect("listes", "demandes")


def _page(
    context: PageContext,
    form: ListesForm,
    *,
    faults: Faults | None = None,
    failure: str | None = None,
) -> Response:
    registres = read_registres(context.services.state, context.commune.code)
    given = {"form": form, "registres": registres, **read_suivi(context)}
    return context.render("listes/listes.html", faults=faults, failure=failure, **given)
