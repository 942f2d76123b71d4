"""The deposit on e-listelec: what is to be deposited, what was, and what the platform answered."""

from collections.abc import Callable, Sequence
from datetime import date

from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from common.french import short_date
from producers.errors import ProducerError
from producers.web.declared import Pending, read_pending, remember
from producers.web.deposits import find_to_answer, find_to_correct, find_to_deposit, find_to_redo
from producers.web.forms import read_numbers, read_once, wrap_once
from producers.web.htmx import is_for_a_part
from producers.web.pages.sending import AWAY, UNPROCESSABLE
from producers.web.paging import Paging, page_number
from producers.web.reading.depots import count_deposited, read_current, read_deposited, read_made
from producers.web.reading.exports import AskedFile
from producers.web.visit import Visit
from schemas.declarations import DepotDeclared, DepotVerdictDeclared
from schemas.vocabulary import Verdict, parse_jour

PAGE = 50
RECENT = 200
"""Deposits among which those without an answer are looked for."""

_MOST = 100
_LONGEST = {"remarque": 1000, "reponse": 20_000}


class _Wrong(Exception):
    """The form cannot be taken as it is; the message is for the clerk."""


def show(visit: Visit) -> Response:
    """The page; `export`, in the address, names files that are wanted in the form."""
    pending = read_pending(visit.request, visit.screen, visit.commune.code)
    response = _render(visit, pending=pending, chosen=_few(visit.request.query_params.getlist("export")))
    if is_for_a_part(visit.request) and not pending.waiting:
        response.headers["HX-Refresh"] = "true"
    return response


def declare(visit: Visit) -> Response:
    """« Marquer comme déposé »."""

    def read() -> tuple[DepotDeclared, str]:
        files, day = _files(visit), _day(visit, "jour")
        data = DepotDeclared(
            commune=visit.commune.code,
            exports=[file.export_id for file in files],
            deposited_on=day,
            remarque=_text(visit.form, "remarque"),
            requested_by=visit.agent.name,
        )
        return data, f"déposé le {short_date(day)}"

    return _publish(visit, read)


def answer(visit: Visit) -> Response:
    """« Accepté » or « rejeté », and the platform's answer."""

    def read() -> tuple[DepotVerdictDeclared, str]:
        verdict = str(visit.form.get("verdict", ""))
        if verdict not in set(Verdict):
            raise _Wrong("Dites si le dépôt est accepté ou rejeté.")
        files, day = _files(visit), _day(visit, "jour")
        data = DepotVerdictDeclared(
            commune=visit.commune.code,
            exports=[file.export_id for file in files],
            verdict=Verdict(verdict),
            verdict_on=day,
            answer=_text(visit.form, "reponse"),
            requested_by=visit.agent.name,
        )
        return data, f"{data.verdict.label} le {short_date(day)}"

    return _publish(visit, read)


def _publish(visit: Visit, read: Callable[[], tuple[DepotDeclared | DepotVerdictDeclared, str]]) -> Response:
    """Send what a form says; where it cannot be, the form comes back as it was filled in, with the reason."""
    try:
        data, words = read()
        event = wrap_once(data, source=visit.screen.settings.source, once=read_once(visit.form))
        visit.publish(event)
    except _Wrong as wrong:
        return _render(visit, chosen=_chosen(visit), error=str(wrong), status=UNPROCESSABLE)
    except ValidationError:
        error = "Ce texte contient des caractères que le module ne peut pas garder : collez-le comme du texte simple."
        return _render(visit, chosen=_chosen(visit), error=error, status=UNPROCESSABLE)
    except ProducerError as away:
        return _render(visit, chosen=_chosen(visit), error=f"Rien n'est enregistré : {away}.", status=AWAY)
    remember(visit.request, event, visit.commune.code, data.exports, words)
    return visit.go("depot")


def _render(
    visit: Visit, *, pending: Pending | None = None, chosen: Sequence[int] = (), error: str = "", status: int = 200
) -> Response:
    state, commune = visit.screen.state, visit.commune.code
    current = read_current(state, commune)
    recent = read_deposited(state, commune, RECENT)
    page = page_number(visit.query.get("page", ""))
    to_deposit = find_to_deposit(current)
    known = {file.export_id for file in to_deposit}
    asked = [file for file in read_made(state, commune, set(chosen) - known) if not file.is_for_commission]
    return visit.render(
        "depot.html",
        status,
        pending=pending or read_pending(visit.request, visit.screen, commune),
        today=visit.today,
        error=error,
        chosen=set(chosen),
        once=read_once(visit.form),
        form={name: str(visit.form.get(name, "")) for name in ("jour", "remarque", "verdict", "reponse")},
        to_deposit=[*asked, *to_deposit],
        to_correct=[file for file in find_to_correct(current) if file.export_id not in set(chosen)],
        to_answer=find_to_answer(recent),
        to_redo=find_to_redo(recent),
        deposited=recent[:PAGE] if page == 1 else read_deposited(state, commune, PAGE, (page - 1) * PAGE),
        paging=Paging.of(visit.url("depot"), {}, page=page, total=count_deposited(state, commune), size=PAGE),
    )


def _few(values: Sequence[object]) -> list[int]:
    """As many numbers of files as a declaration takes."""
    return read_numbers(values)[:_MOST]


def _chosen(visit: Visit) -> list[int]:
    return _few(visit.form.getlist("export"))


def _files(visit: Visit) -> list[AskedFile]:
    files = read_made(visit.screen.state, visit.commune.code, _chosen(visit))
    if not files:
        raise _Wrong("Cochez au moins un fichier.")
    return files


def _day(visit: Visit, name: str) -> date:
    try:
        day = parse_jour(str(visit.form.get(name, "")).strip())
    except ValueError as error:
        raise _Wrong(f"Date illisible : {error}.") from None
    if day > visit.today:
        raise _Wrong(f"Le {short_date(day)} n'est pas encore venu : vérifiez la date.")
    return day


def _text(form: FormData, name: str) -> str:
    text = str(form.get(name, "")).replace("\r\n", "\n").strip()
    if len(text) > _LONGEST[name]:
        raise _Wrong(f"Texte trop long : {len(text)} caractères, pour {_LONGEST[name]} au plus.")
    return text
