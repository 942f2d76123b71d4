"""The tab of tableaux: those that are due, and the form that requests them.

And the publication of a tableau: the clerk notes it, the worker draws a certificate, the mayor signs it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple, Self
from urllib.parse import urlencode

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import Response

from common.calendrier import (
    CalendarScrutin,
    cycle_of,
    is_poll_day,
    last_day_to_consult,
    why_too_short,
)
from common.french import short_date, weekday_date
from common.regimes import read_regimes
from producers.web.echeances import Calendar, DueTableau, read_calendar
from producers.web.exports.query import AskedFile
from producers.web.forms import find_unseen, read_day, read_days, refuse, text, texts, validate
from producers.web.page_context import CONFLICT, NOT_FOUND, PageContext
from producers.web.registre.query import read_mairie
from producers.web.suivi.page import read_suivi
from producers.web.suivi.requests import (
    DEPOT,
    note_page,
    read_declarations,
    send_note,
    send_request,
)
from schemas.cures import Link
from schemas.declarations import TableauPublished
from schemas.file_state import FileState
from schemas.requests import TableauxRenderRequested
from schemas.seen import FILE_FACTS, seen_of
from schemas.tableaux import (
    Edition,
    Presentation,
    TypeTableau,
    find_missing_dates,
    find_wrong_dates,
    name_tableau,
)
from schemas.vocabulary import Liste, PublicationMode

DATES = ("scrutin", "date_tableau", "reunion", "until")
FIELDS = (
    "type",
    "secteur",
    "listes",
    "presentations",
    "edition",
    *DATES,
    "inclure_j5",
    "signature_maire",
)
"""Fields in the order of the page; errors about several fields are shown at the first."""

_CHOICES = {
    "type": "choisissez un tableau",
    "secteur": "choisissez un secteur",
    "listes": "cochez au moins une liste",
    "presentations": "cochez au moins une présentation",
    "edition": "choisissez à qui l'exemplaire est destiné",
}
_MISSING = {"date_tableau": "indiquez la date du tableau", "scrutin": "indiquez le jour du scrutin"}


@dataclass(frozen=True)
class TableauxForm:
    """The values of the form, not validated: dates are texts."""

    type: str = ""
    secteur: str = ""
    """Its number; empty: the whole commune."""
    listes: Sequence[str] = tuple(Liste)
    presentations: Sequence[str] = (Presentation.COMMUNE,)
    edition: str = Edition.AFFICHAGE
    dates: Mapping[str, str] = field(default_factory=dict)
    proposed: str = ""
    """The previous meeting that the page proposed; if unchanged, it is computed again for other dates."""
    inclure_j5: bool = False
    signature_maire: bool = False

    @classmethod
    def read(cls, form: FormData) -> Self:
        return cls(
            type=text(form, "type"),
            secteur=text(form, "secteur"),
            listes=texts(form, "listes"),
            presentations=texts(form, "presentations"),
            edition=text(form, "edition"),
            dates={name: text(form, name) for name in DATES},
            proposed=text(form, "reunion_proposee"),
            inclure_j5=bool(text(form, "inclure_j5")),
            signature_maire=bool(text(form, "signature_maire")),
        )

    @property
    def is_old(self) -> bool:
        return self.type in set(TypeTableau) and TypeTableau(self.type).is_repealed

    @property
    def is_special(self) -> bool:
        """Whether it asks for more than the tableau that is published."""
        return (list(self.presentations), self.edition) != (
            [Presentation.COMMUNE],
            Edition.AFFICHAGE,
        ) or (self.signature_maire)

    def find_previous(self, calendar: Calendar) -> date | None:
        """Return the meeting from which the R. 13 tableau counts, else the day of the register's first export."""
        if self.type != TypeTableau.VINGT_JOURS or self.secteur:
            return None
        scrutin, end = (read_day(self.dates.get(name, "")) for name in ("scrutin", "until"))
        if scrutin and not end:
            known = (
                agenda.cycle
                for agenda in calendar.agendas
                if agenda.scrutin and agenda.scrutin.jour == scrutin
            )
            end = next(known, cycle_of(CalendarScrutin(scrutin), calendar.reunions)).end
        before, since = end or date.max, calendar.register_since
        days = [
            it.jour
            for it in calendar.reunions
            if it.liste in {"", *self.listes} and it.jour < before
        ]
        return max(days, default=since if since and since < before else None)

    def with_previous(self, calendar: Calendar) -> Self:
        """Return the form with the register's previous meeting, unless the agent entered another."""
        if self.dates.get("reunion", "") not in {"", self.proposed}:
            return self
        previous = self.find_previous(calendar)
        day = previous.isoformat() if previous else ""
        return replace(self, dates={**self.dates, "reunion": day}, proposed=day)

    def validate(self, commune: str, requested_by: str) -> TableauxRenderRequested:
        found = dict[str, str]()
        values = {
            "commune": commune,
            "requested_by": requested_by,
            "types": [self.type],
            "secteur": int(self.secteur) if self.secteur.isdecimal() else None,
            "listes": self.listes,
            "presentations": self.presentations,
            "edition": self.edition,
            **read_days(self.dates, found),
            "inclure_j5": self.inclure_j5,
            "signature_maire": self.signature_maire,
        }
        if self.type in set(TypeTableau):
            written = {name: day for name, day in self.dates.items() if day}
            for it in find_missing_dates([TypeTableau(self.type)], written):
                or_until = (
                    " ; à défaut, le dernier jour des mouvements" if len(it.names) > 1 else ""
                )
                found[it.names[0]] = _MISSING[it.names[0]] + or_until
            for wrong in find_wrong_dates([TypeTableau(self.type)], values):
                found.setdefault(wrong.name, wrong.reason)
        scrutin = read_day(self.dates.get("scrutin", ""))
        if scrutin and "scrutin" not in found and not is_poll_day(scrutin, commune):
            found["scrutin"] = (
                f"on ne vote pas un {weekday_date(scrutin).split(' ', 1)[0]}, vérifiez cette date"
            )
        if self.type == TypeTableau.VINGT_JOURS and not self.dates.get("reunion"):
            lacking = "aucune réunion d'avant n'est notée : indiquez la précédente, d'où les mouvements sont comptés"
            found.setdefault("reunion", lacking)
        return validate(
            TableauxRenderRequested, values, FIELDS, found, names={"types": "type"}, better=_CHOICES
        )


class Offer(NamedTuple):
    """A due tableau that some lists lack, with the title of its meeting or poll."""

    about: str
    due: DueTableau

    @property
    def query(self) -> str:
        asked = self.due.asked.items()
        return urlencode([*asked, *(("listes", liste) for liste in self.due.missing)])


def show(context: PageContext) -> Response:
    """Show the form as it was sent, or prefilled from the URL, else for the first due tableau."""
    calendar = read_calendar(context.services.state, context.commune.code, context.today)
    offers = [Offer(it.title, due) for it in calendar.agendas for due in it.due if due.missing]
    offers.sort(key=lambda offer: offer.due.day)
    form = TableauxForm.read(context.form) if context.form else _prefill(context, offers)
    form = form.with_previous(calendar)
    return context.render(
        "tableaux/tableaux.html",
        form=form,
        is_yearly=calendar.is_yearly,
        secteurs=read_regimes().territory_of(context.commune.code).secteurs,
        offers=offers,
        registres=calendar.registres,
        scrutins=calendar.scrutins,
        previous=form.find_previous(calendar),
        meetings={it.jour for it in calendar.reunions},
        **read_suivi(context, of_tableaux=True),
    )


def _prefill(context: PageContext, offers: Sequence[Offer]) -> TableauxForm:
    query = dict(context.query)
    if not query.get("type") and offers:
        query = offers[0].due.asked
    offered = next((it.due.missing for it in offers if it.due.asked.items() <= query.items()), ())
    listes = context.request.query_params.getlist("listes") or offered
    return TableauxForm(
        type=query["type"] if query.get("type") in set(TypeTableau) else TypeTableau.VINGT_JOURS,
        secteur=query.get("secteur", ""),
        dates={name: day.isoformat() for name in DATES if (day := read_day(query.get(name, "")))},
        listes=[liste for liste in Liste if liste in listes] or list(Liste),
    )


def ask(context: PageContext) -> Response:
    commune = context.commune.code
    calendar = read_calendar(context.services.state, commune, context.today)
    form = TableauxForm.read(context.form).with_previous(calendar)
    data = form.validate(commune, context.agent.name)
    titre = name_tableau(data.types[0], data.scrutin)
    send_request(context, data, f"{titre}, listes {', '.join(data.listes)} [pdf]")
    return context.redirect("tableaux", "#demandes")


PUBLICATION_FIELDS = ("mode", "du", "au", "retire", "signe", "raison")
_BETTER = {
    "mode": "dites s'il est consultable en mairie, ou affiché",
    "du": "donnez le premier jour",
}


class Refusal(NamedTuple):
    """Why a tableau cannot be published, in French, and what cures it."""

    reason: str
    cure: Link | None


_COME_BACK, _REDO = "Revenez quand il est prêt.", "Refaites-le, puis publiez le nouveau."
_ADVICE = {
    FileState.QUEUED: _COME_BACK,
    FileState.RUNNING: _COME_BACK,
    FileState.TO_REDO: _REDO,
    FileState.PURGED: _REDO,
    FileState.MISSING: _REDO,
    FileState.ALTERED: _REDO,
    FileState.CANCELLED: _REDO,
}


def _why_refused(file: AskedFile) -> Refusal | None:
    if file.may_be_published:
        return None
    if file.never_published:
        refusal = file.never_published
        return Refusal(refusal.reason, file.find_cure(refusal.code))
    known = " ".join(file.blocking_messages) or file.error_message
    advice = _ADVICE.get(file.state) or known
    if file.state is FileState.PROVISOIRE and file.provisoire_until:
        until = f"Refaites-le à partir du {short_date(file.provisoire_until)}."
        advice = f"Sa période n'était pas terminée. {until}"
    state = f"Ce tableau ne se publie pas : il est {file.state.label}."
    return Refusal(f"{state} {advice}".strip(), file.cure)


def show_publication(context: PageContext) -> Response:
    """Show the page; for a tableau that cannot be published, the reason and what to do."""
    pending = read_declarations(context, DEPOT)
    file = _read(context)
    if refusal := _why_refused(file):
        return context.render("tableaux/pas_publie.html", CONFLICT, file=file, refusal=refusal)
    until = file.published_until
    return note_page(
        context,
        "tableaux/publication.html",
        pending,
        file=file,
        form=_typed(context) if context.form else _proposed(context, file),
        mairie=read_mairie(context.services.state, context.commune.code),
        is_over=bool(until and until <= context.today),
        is_waiting=bool(until and not (file.certificat or file.purged_at or file.recalled_at)),
    )


def declare(context: PageContext) -> Response:
    file = _read(context)
    if _why_refused(file):
        return show_publication(context)
    published = _read_form(context, file)
    known = file.noted("published")
    said = [(file.export_id, *(getattr(published, it) for it in FILE_FACTS["published"]))]
    name = f"vu-publication-{file.export_id}"
    unseen = find_unseen(context.form, name, known, said, _describe_publication(file))
    refuse(unseen, unseen)
    seen = seen_of(known) if name in context.form else None
    words = f"{published.mode.label} depuis le {short_date(published.published_on)}"
    send_note(context, DEPOT, published, words, [file.export_id], seen=seen)
    return context.redirect("publication", export=file.export_id)


def _read(context: PageContext) -> AskedFile:
    file = context.file()
    if not file.is_tableau:
        raise HTTPException(NOT_FOUND)
    return file


def _typed(context: PageContext) -> dict[str, str]:
    return {name: text(context.form, name) for name in PUBLICATION_FIELDS}


def _read_form(context: PageContext, file: AskedFile) -> TableauPublished:
    form, found = _typed(context), dict[str, str]()
    past = {name: form[name] for name in ("du", "retire", "signe")}
    days = read_days(past, found, until=context.today) | read_days({"au": form["au"]}, found)
    first, last = days.get("du"), days.get("au")
    if first and last and last < first:
        found["au"] = "le dernier jour précède le premier"
    elif first and last:
        scrutin = file.parameters.get("scrutin") or ""
        found |= (
            {"au": why} if (why := why_too_short(file.type_tableau, first, last, scrutin)) else {}
        )
    for name, what in (("retire", "tableau se retire"), ("signe", "certificat se signe")):
        if name in days and (last is None or days[name] < last):
            found[name] = f"le {what} une fois la publication terminée"
    if file.a_completer and not form["raison"]:
        found["raison"] = "dites pourquoi il est publié ainsi"
    values = {"mode": form["mode"], "published_on": first, "published_until": last}
    values |= {"withdrawn_on": days.get("retire"), "certified_on": days.get("signe")}
    values |= {"reason": form["raison"] if file.a_completer else ""}
    names = {"published_on": "du", "reason": "raison"}
    return validate(
        TableauPublished, values, PUBLICATION_FIELDS, found, names=names, better=_BETTER
    )


def _describe_publication(file: AskedFile) -> str:
    """Return what is noted of the publication, for an agent whose own note would replace it."""
    if file.published_on is None:
        return ""
    mode = PublicationMode(file.publication_mode).label
    days = (
        (f"{mode} depuis le", file.published_on),
        ("jusqu'au", file.published_until),
        ("retiré le", file.withdrawn_on),
        ("certificat signé le", file.certified_on),
    )
    noted = ", ".join(f"{word} {short_date(day)}" for word, day in days if day)
    reason = f", « {file.publication_reason} »" if file.publication_reason else ""
    return f"{noted}{reason} (par {file.published_by})"


def _proposed(context: PageContext, file: AskedFile) -> dict[str, str]:
    first, last = file.published_on or context.today, file.published_until
    if file.published_on is None:
        scrutin = file.parameters.get("scrutin") or ""
        last = last_day_to_consult(first)
        if scrutin and why_too_short(file.type_tableau, first, last, scrutin):
            last = date.fromisoformat(scrutin)
    days = {"du": first, "au": last, "retire": file.withdrawn_on, "signe": file.certified_on}
    return {"mode": file.publication_mode, "raison": file.publication_reason} | {
        name: day.isoformat() if day else "" for name, day in days.items()
    }
