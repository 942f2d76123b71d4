"""The deposit on e-listelec: what is to be deposited, what was, and what the platform answered."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from pydantic import ValidationError
from starlette.datastructures import FormData
from starlette.responses import Response

from common.french import short_date
from producers.errors import ProducerError
from producers.web.depot.declarations import PendingDeclarations, read_declarations, remember_declaration
from producers.web.depot.deposits import (
    find_to_answer,
    find_to_correct,
    find_to_deposit,
    find_to_redo,
    read_deposited,
)
from producers.web.exports.query import AskedFile, read_current, read_made
from producers.web.forms import (
    IMPOSSIBLE_DAY,
    Faults,
    Paging,
    page_number,
    read_day,
    read_numbers,
    read_once,
    text,
    wrap_once,
)
from producers.web.page_context import AWAY, UNPROCESSABLE, PageContext
from producers.web.security.session import answer_poll
from schemas.declarations import FileDeposited, FileNoted, VerdictReceived
from schemas.vocabulary import Verdict

PAGE = 25
RECENT = 100
"""Deposits among which those without an answer are looked for."""

_MOST = 100
_LONGEST = {"remarque": 1000, "reponse": 20_000}
_FIELDS = {
    "export": "Fichiers",
    "jour": "Déposé le",
    "remarque": "Remarque",
    "concerne": "La réponse concerne",
    "verdict": "La plateforme a",
    "jour-reponse": "Date de la réponse",
    "texte": "Réponse reçue",
}
"""Of both forms: the id of each field, and its words."""


class _Wrong(Exception):
    """A field that cannot be taken as it is; the reason is for the clerk."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


def show(context: PageContext) -> Response:
    """The page; `export`, in the address, names files that the form is to hold."""
    pending = read_declarations(context.request, context.services, context.commune.code)
    response = _render(context, pending=pending, chosen=_few(context.request.query_params.getlist("export")))
    answer_poll(context.request, response, is_done=not pending.waiting)
    return response


def declare(context: PageContext) -> Response:
    """« Marquer comme déposé »."""

    def read() -> tuple[FileNoted, str]:
        files, day = _files(context, "export"), _day(context, "jour")
        note = FileDeposited(deposited_on=day, remarque=_text(context.form, "remarque", "remarque"))
        return _note(context, files, note), f"déposé le {short_date(day)}"

    return _publish(context, read, "remarque")


def answer(context: PageContext) -> Response:
    """« Accepté » or « rejeté », and the platform's answer."""

    def read() -> tuple[FileNoted, str]:
        verdict = str(context.form.get("verdict", ""))
        if verdict not in set(Verdict):
            raise _Wrong("verdict", "dites si le dépôt est accepté ou rejeté")
        files, day = _files(context, "concerne"), _day(context, "jour-reponse")
        said = _text(context.form, "reponse", "texte")
        note = VerdictReceived(verdict=Verdict(verdict), verdict_on=day, answer=said)
        return _note(context, files, note), f"{note.verdict.label} le {short_date(day)}"

    return _publish(context, read, "texte")


def _note(context: PageContext, files: Sequence[AskedFile], note: FileDeposited | VerdictReceived) -> FileNoted:
    exports = [file.export_id for file in files]
    return FileNoted(commune=context.commune.code, exports=exports, note=note, requested_by=context.agent.name)


def _publish(context: PageContext, read: Callable[[], tuple[FileNoted, str]], text: str) -> Response:
    """Send what a form says; where it cannot be, the form comes back as it was filled in, with the reason.

    Its free words are in the field `text`.
    """
    try:
        data, words = read()
        event = wrap_once(data, source=context.services.settings.source, once=read_once(context.form))
        context.publish(event)
    except _Wrong as wrong:
        return _render(context, chosen=_chosen(context), faults={wrong.name: str(wrong)}, status=UNPROCESSABLE)
    except ValidationError:
        reason = "ce texte contient des caractères que le module ne peut pas garder : collez-le comme du texte simple"
        return _render(context, chosen=_chosen(context), faults={text: reason}, status=UNPROCESSABLE)
    except ProducerError as away:
        return _render(context, chosen=_chosen(context), error=f"Rien n'est enregistré : {away}.", status=AWAY)
    remember_declaration(context.request, event, context.commune.code, data.exports, words)
    return context.redirect("depot")


def _render(
    context: PageContext,
    *,
    pending: PendingDeclarations | None = None,
    chosen: Sequence[int] = (),
    error: str = "",
    faults: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    state, commune = context.services.state, context.commune.code
    current = read_current(state, commune)
    recent = read_deposited(state, commune, RECENT)
    page = page_number(context.query.get("page", ""))
    shown = recent[: PAGE + 1] if page == 1 else read_deposited(state, commune, PAGE + 1, (page - 1) * PAGE)
    to_deposit = find_to_deposit(current)
    known = {file.export_id for file in to_deposit}
    asked = [file for file in read_made(state, commune, set(chosen) - known) if not file.is_never_deposited]
    return context.render(
        "depot/depot.html",
        status,
        pending=pending or read_declarations(context.request, context.services, commune),
        today=context.today,
        error=error,
        faults=Faults.ordered([*_FIELDS], faults or {}),
        fields=_FIELDS,
        chosen=set(chosen),
        once=read_once(context.form),
        form={name: str(context.form.get(name, "")) for name in ("depot", "jour", "remarque", "verdict", "reponse")},
        to_deposit=[*asked, *to_deposit],
        to_correct=[file for file in find_to_correct(current) if file.export_id not in set(chosen)],
        to_answer=find_to_answer(recent),
        to_redo=find_to_redo(recent),
        deposited=shown[:PAGE],
        paging=Paging.uncounted(context.url("depot"), page=page, has_after=len(shown) > PAGE),
    )


def _few(values: Sequence[object]) -> list[int]:
    """As many numbers of files as a declaration takes."""
    return read_numbers(values)[:_MOST]


def _chosen(context: PageContext) -> list[int]:
    return _few(context.form.getlist("export"))


def _files(context: PageContext, place: str) -> list[AskedFile]:
    files = read_made(context.services.state, context.commune.code, _chosen(context))
    if not files:
        raise _Wrong(place, "cochez au moins un fichier")
    return files


def _day(context: PageContext, place: str) -> date:
    day = read_day(text(context.form, "jour"))
    if day is None:
        raise _Wrong(place, IMPOSSIBLE_DAY)
    if day > context.today:
        raise _Wrong(place, f"le {short_date(day)} n'est pas encore venu : vérifiez la date")
    return day


def _text(form: FormData, name: str, place: str) -> str:
    text = str(form.get(name, "")).replace("\r\n", "\n").strip()
    if len(text) > _LONGEST[name]:
        raise _Wrong(place, f"texte trop long : {len(text)} caractères, pour {_LONGEST[name]} au plus")
    return text
