"""The first tab: the list files."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.responses import Response

from producers.web.forms import Faults, find_faults, new_once, read_once, text, texts, wrap_once
from producers.web.pages.sending import AWAY, UNPROCESSABLE, Trouble, send
from producers.web.pages.suivi import board_facts
from producers.web.reading.registres import read_registres
from producers.web.visit import Visit
from schemas.requests import ListeExportRequested
from schemas.vocabulary import Format, Liste

FIELDS = ("listes", "format")
_CHOICES = {"listes": "cochez au moins une liste", "format": "choisissez CSV ou XML"}


@dataclass(frozen=True)
class ListesForm:
    """What is checked on the page."""

    listes: Sequence[str] = tuple(Liste)
    format: str = Format.CSV
    once: str = field(default_factory=new_once)

    @property
    def words(self) -> str:
        """How what is asked for is called while no row does."""
        return f"Listes {', '.join(self.listes)} [{self.format}]"


def show(visit: Visit) -> Response:
    """The page."""
    return _page(visit, ListesForm())


def ask(visit: Visit) -> Response:
    """« Génération du fichier »."""
    form = ListesForm(texts(visit.form, "listes"), text(visit.form, "format"), read_once(visit.form))
    found = find_faults(lambda: _request(visit, form), FIELDS, names={"formats": "format"}, better=_CHOICES)
    if found:
        return _page(visit, form, UNPROCESSABLE, faults=Faults.ordered(FIELDS, found))
    event = wrap_once(_request(visit, form), source=visit.screen.settings.source, once=form.once)
    return send(
        visit, event, form.words, page="listes", retry=lambda trouble: _page(visit, form, AWAY, trouble=trouble)
    )


def _request(visit: Visit, form: ListesForm) -> ListeExportRequested:
    return ListeExportRequested.model_validate(
        {
            "commune": visit.commune.code,
            "listes": form.listes,
            "formats": [form.format],
            "requested_by": visit.agent.name,
        }
    )


def _page(
    visit: Visit,
    form: ListesForm,
    status_code: int = 200,
    *,
    faults: Faults | None = None,
    trouble: Trouble | None = None,
) -> Response:
    registres = read_registres(visit.screen.state, visit.commune.code)
    facts = {"form": form, "faults": faults or Faults(), "trouble": trouble, "registres": registres}
    return visit.render("listes.html", status_code, **facts, **board_facts(visit))
