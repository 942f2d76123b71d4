"""The publication of a tableau: the clerk notes it, the worker draws a certificate, the mayor signs it."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.responses import Response

from common.calendrier import last_day_to_consult, why_too_short
from common.french import short_date
from producers.web.exports.query import AskedFile
from producers.web.forms import Faults, read_days, text, validate
from producers.web.page_context import CONFLICT, NOT_FOUND, PageContext
from producers.web.suivi.pending import DEPOT, note_page, send_note
from schemas.declarations import TableauPublished

FIELDS = {
    "mode": "Comment",
    "du": "Premier jour",
    "au": "Dernier jour",
    "retire": "Retiré le",
    "signe": "Certificat signé le",
    "raison": "Pourquoi il est publié incomplet",
}
"""Fields of the form, with their French labels in errors."""

_BETTER = {"mode": "dites s'il est consultable en mairie, ou affiché", "du": "donnez le premier jour"}


def show(context: PageContext) -> Response:
    """Show the page; for a tableau that is never published, show the reason."""
    file = _read(context)
    return _refuse(context, file) if file.never_published else _render(context)


def declare(context: PageContext) -> Response:
    file = _read(context)
    if file.never_published:
        return _refuse(context, file)
    form = {name: text(context.form, name) for name in FIELDS}
    published, faults = _read_form(context, file, form)
    if published is None:
        return _render(context, form, faults=faults)
    words = f"{published.mode.label} depuis le {short_date(published.published_on)}"
    if failure := send_note(context, DEPOT, published, words, [file.export_id]):
        return _render(context, form, failure=failure)
    return context.redirect("publication", export=file.export_id)


def _read(context: PageContext) -> AskedFile:
    file = context.file()
    if not (file.may_be_published or file.never_published):
        raise HTTPException(NOT_FOUND)
    return file


def _refuse(context: PageContext, file: AskedFile) -> Response:
    return context.render("tableaux/jamais_publie.html", CONFLICT, file=file)


def _read_form(
    context: PageContext, file: AskedFile, form: Mapping[str, str]
) -> tuple[TableauPublished | None, Faults]:
    found: dict[str, str] = {}
    past = {name: form[name] for name in ("du", "retire", "signe")}
    days = read_days(past, found, until=context.today) | read_days({"au": form["au"]}, found)
    first, last = days.get("du"), days.get("au")
    if first and last and last < first:
        found["au"] = "le dernier jour précède le premier"
    elif first and last and (reason := why_too_short(file.type_tableau, first, last)):
        found["au"] = reason
    for name, what in (("retire", "tableau se retire"), ("signe", "certificat se signe")):
        if name in days and (last is None or days[name] < last):
            found[name] = f"le {what} une fois la publication terminée"
    if file.a_completer and not form["raison"]:
        found["raison"] = "dites pourquoi il est publié ainsi"
    values = {"mode": form["mode"], "published_on": first, "published_until": last}
    values |= {"withdrawn_on": days.get("retire"), "certified_on": days.get("signe")}
    values |= {"reason": form["raison"] if file.a_completer else ""}
    names = {"published_on": "du", "reason": "raison"}
    return validate(TableauPublished, values, FIELDS, found, names=names, better=_BETTER)


def _proposed(context: PageContext, file: AskedFile) -> dict[str, str]:
    first, last = file.published_on or context.today, file.published_until
    if file.published_on is None:
        last = last_day_to_consult(first)
    days = {"du": first, "au": last, "retire": file.withdrawn_on, "signe": file.certified_on}
    return {"mode": file.publication_mode, "raison": file.publication_reason} | {
        name: day.isoformat() if day else "" for name, day in days.items()
    }


def _render(
    context: PageContext,
    form: Mapping[str, str] | None = None,
    *,
    faults: Faults | None = None,
    failure: str | None = None,
) -> Response:
    def read() -> dict[str, object]:
        file = _read(context)
        return {
            "file": file,
            "form": form or _proposed(context, file),
            "fields": FIELDS,
            "is_over": bool(file.published_until and file.published_until <= context.today),
            "is_waiting": bool(file.published_until and not file.certificat and not file.purged_at),
        }

    return note_page(context, DEPOT, read, template="tableaux/publication.html", faults=faults, failure=failure)
