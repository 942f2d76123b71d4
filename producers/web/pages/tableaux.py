"""The second tab: the tableaux, those that the calendar calls for first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from starlette.responses import Response

from common.calendrier import Echeance
from producers.web.forms import Faults, wrap_once
from producers.web.pages.calendar import Calendar, read_calendar
from producers.web.pages.sending import AWAY, UNPROCESSABLE, Trouble, send
from producers.web.pages.suivi import board_facts
from producers.web.reading.scrutins import Reunion, Scrutin
from producers.web.tableaux_form import TableauxForm
from producers.web.visit import Visit
from schemas.tableaux import TypeTableau


@dataclass(frozen=True)
class Offer:
    """A tableau that is due and was not made for every list: what the calendar says, and the lists that lack."""

    scrutin: Scrutin
    echeance: Echeance
    missing: Sequence[str]

    @property
    def type(self) -> TypeTableau:
        """Which tableau."""
        return TypeTableau(self.echeance.type)

    @property
    def values(self) -> dict[str, str]:
        """What it fills in, beside the lists."""
        return {"type": self.echeance.type, "scrutin": self.scrutin.jour.isoformat()}

    @property
    def query(self) -> str:
        """The form filled in for it, after the question mark of an address."""
        return urlencode([*self.values.items(), *(("listes", liste) for liste in self.missing)])


def show(visit: Visit) -> Response:
    """The page, filled in for what its address asks for, else for the first tableau that is due."""
    calendar = read_calendar(visit)
    offers = _offers(calendar)
    form = TableauxForm(type=TypeTableau.VINGT_JOURS)
    if visit.query.get("type"):
        form = form.prefilled(visit.query, visit.request.query_params.getlist("listes"))
    elif offers:
        form = form.prefilled(offers[0].values, offers[0].missing)
    return _page(visit, form, calendar=calendar)


def ask(visit: Visit) -> Response:
    """« Génération du fichier »."""
    form = TableauxForm.read(visit.form)
    commune, agent = visit.commune.code, visit.agent.name
    if faults := form.faults(commune, agent):
        return _page(visit, form, UNPROCESSABLE, faults=faults)
    event = wrap_once(form.request(commune, agent), source=visit.screen.settings.source, once=form.once)
    return send(
        visit, event, form.words, page="tableaux", retry=lambda trouble: _page(visit, form, AWAY, trouble=trouble)
    )


def _page(
    visit: Visit,
    form: TableauxForm,
    status_code: int = 200,
    *,
    calendar: Calendar | None = None,
    faults: Faults | None = None,
    trouble: Trouble | None = None,
) -> Response:
    calendar = calendar or read_calendar(visit)
    facts = {
        "form": form,
        "faults": faults or Faults(),
        "trouble": trouble,
        "offers": _offers(calendar),
        "registres": calendar.registres,
        "scrutins": calendar.scrutins,
        "reunions": _newest_of_each(calendar.reunions),
        "today": visit.today,
    }
    return visit.render("tableaux.html", status_code, **facts, **board_facts(visit))


def _offers(calendar: Calendar) -> list[Offer]:
    offers = [Offer(it.scrutin, due.echeance, due.missing) for it in calendar.agendas for due in it.due if due.missing]
    return sorted(offers, key=lambda offer: offer.echeance.due_on)


def _newest_of_each(reunions: Sequence[Reunion]) -> list[date]:
    return sorted({reunion.jour for reunion in reunions}, reverse=True)[:3]
