"""The page of deposits on e-listelec: files to deposit, deposited files, and the platform's replies."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from starlette.responses import Response

from common.french import short_date
from producers.records import FileState
from producers.state import State
from producers.web.exports.query import DERNIERS_EXPORTS, AskedFile, read_current, read_made, select_made
from producers.web.forms import IMPOSSIBLE_DAY, Faults, Paging, page_number, read_days, read_numbers, text, validate
from producers.web.page_context import PageContext
from producers.web.suivi.pending import DEPOT, note_page, send_note
from schemas.declarations import FileDeposited, VerdictReceived

PAGE = 25
RECENT = 100
"""Number of recent deposits searched for those without reply."""

_MOST = 100
_UNKEPT = "caractères que le module ne peut pas garder : collez-le comme du texte simple"
_BETTER = {
    "jour": IMPOSSIBLE_DAY,
    "jour-reponse": IMPOSSIBLE_DAY,
    "verdict": "dites si le dépôt est accepté ou rejeté",
    "remarque": f"texte trop long (1 000 caractères au plus), ou {_UNKEPT}",
    "texte": f"texte trop long (20 000 caractères au plus), ou {_UNKEPT}",
}
_FIELDS = {
    "export": "Fichiers",
    "jour": "Déposé le",
    "remarque": "Remarque",
    "concerne": "La réponse concerne",
    "verdict": "La plateforme a",
    "jour-reponse": "Date de la réponse",
    "texte": "Réponse reçue",
}
"""Fields of both forms: id and French label."""


def show(context: PageContext) -> Response:
    """Show the page; the parameter `export` preselects files."""
    return _render(context, chosen=_few(context.request.query_params.getlist("export")))


def declare(context: PageContext) -> Response:
    """« Marquer comme déposé »."""
    found = _find_unchosen(context, "export")
    day = read_days({"jour": text(context.form, "jour")}, found, until=context.today).get("jour")
    values = {"deposited_on": day, "remarque": text(context.form, "remarque")}
    note, faults = validate(FileDeposited, values, _FIELDS, found, names={"deposited_on": "jour"}, better=_BETTER)
    return _send(context, note, faults, f"déposé le {short_date(day)}" if day else "")


def record_verdict(context: PageContext) -> Response:
    """« Accepté » or « rejeté », with the platform's reply."""
    found = _find_unchosen(context, "concerne")
    day = read_days({"jour-reponse": text(context.form, "jour")}, found, until=context.today).get("jour-reponse")
    values = {"verdict": text(context.form, "verdict"), "verdict_on": day, "answer": text(context.form, "reponse")}
    names = {"verdict_on": "jour-reponse", "answer": "texte"}
    note, faults = validate(VerdictReceived, values, _FIELDS, found, names=names, better=_BETTER)
    return _send(context, note, faults, f"{note.verdict.label} le {short_date(note.verdict_on)}" if note else "")


def _find_unchosen(context: PageContext, field: str) -> dict[str, str]:
    return {} if _read_chosen(context) else {field: "cochez au moins un fichier"}


def _read_chosen(context: PageContext) -> list[AskedFile]:
    return read_made(context.services.state, context.commune.code, _few(context.form.getlist("export")))


def _send(context: PageContext, note: FileDeposited | VerdictReceived | None, faults: Faults, words: str) -> Response:
    """Publish the note of a form; on failure, show the form again with its values and the reason."""
    exports = [file.export_id for file in _read_chosen(context)]
    failure = send_note(context, DEPOT, note, words, exports) if note else None
    if note is None or failure:
        return _render(context, chosen=exports, faults=faults, failure=failure)
    return context.redirect("depot")


def _render(
    context: PageContext,
    *,
    chosen: Sequence[int],
    failure: str | None = None,
    faults: Faults | None = None,
) -> Response:
    def read() -> dict[str, object]:
        return _read_page(context, chosen)

    return note_page(context, DEPOT, read, template="depot/depot.html", faults=faults, failure=failure)


def _read_page(context: PageContext, chosen: Sequence[int]) -> dict[str, object]:
    state, commune = context.services.state, context.commune.code
    current = read_current(state, commune)
    recent = read_deposited(state, commune, RECENT)
    page = page_number(context.query.get("page", ""))
    shown = recent[: PAGE + 1] if page == 1 else read_deposited(state, commune, PAGE + 1, (page - 1) * PAGE)
    to_deposit = find_to_deposit(current)
    known = {file.export_id for file in to_deposit}
    asked = [file for file in read_made(state, commune, set(chosen) - known) if not file.is_never_deposited]
    return {
        "fields": _FIELDS,
        "chosen": set(chosen),
        "form": {it: str(context.form.get(it, "")) for it in ("depot", "jour", "remarque", "verdict", "reponse")},
        "to_deposit": [*asked, *to_deposit],
        "to_correct": [file for file in find_to_correct(current) if file.export_id not in set(chosen)],
        "to_answer": find_to_answer(recent),
        "to_redo": find_to_redo(recent),
        "deposited": shown[:PAGE],
        "paging": Paging.uncounted(context.url("depot"), page=page, has_after=len(shown) > PAGE),
    }


def _few(values: Sequence[object]) -> list[int]:
    return read_numbers(values)[:_MOST]


MOST_TO_ANSWER = 20
"""Maximum number of forms per page: the last deposits; older ones appear once these have a reply."""


class Deposit(NamedTuple):
    """Files of one request that were deposited on the same day by the same agent."""

    files: Sequence[AskedFile]
    deposited_on: date | None
    deposited_by: str


def read_deposited(state: State, commune: str, limit: int, offset: int = 0) -> list[AskedFile]:
    view = DERNIERS_EXPORTS.c
    deposited = select_made(commune).with_only_columns(view.export_id).where(view.deposited_on.is_not(None))
    newest_first = deposited.order_by(view.deposited_on.desc(), view.export_id.desc()).limit(limit).offset(offset)
    with state.reading() as connection:  # numbers first: SQLite takes twice the time to sort whole rows
        numbers = connection.scalars(newest_first).all()
    return sorted(read_made(state, commune, numbers), key=lambda file: numbers.index(file.export_id))


def find_to_deposit(current: Iterable[AskedFile]) -> list[AskedFile]:
    """Return the depositable files among the last ones of each kind; a list is deposited in one format only."""
    return [it for it in _not_deposited(current) if is_depositable(it)]


def find_to_correct(current: Iterable[AskedFile]) -> list[AskedFile]:
    """Return the files that the platform would reject and that are not deposited, among the last ones of each kind."""
    return [it for it in _not_deposited(current) if it.state is FileState.TO_CORRECT and not it.is_never_deposited]


def is_depositable(file: AskedFile) -> bool:
    """Whether a deposit of the file may be recorded: kept, usable, and in a format that e-listelec accepts.

    An outdated file may have been deposited before the new import; a published tableau may have been deposited too.
    """
    if file.state in {FileState.PUBLISHED, FileState.CERTIFIED}:
        return not (file.bloquantes or file.is_incomplete or file.provisoire_until or file.purged_at)
    return file.state in {FileState.READY, FileState.OUTDATED} and not file.is_never_deposited


def find_to_answer(deposited: Iterable[AskedFile]) -> list[Deposit]:
    groups: dict[tuple[int, date | None, str], list[AskedFile]] = {}
    for file in deposited:
        if not file.verdict:
            groups.setdefault((file.request_id, file.deposited_on, file.deposited_by), []).append(file)
    return [Deposit(files, on, by) for (_, on, by), files in groups.items()][:MOST_TO_ANSWER]


def find_to_redo(deposited: Iterable[AskedFile]) -> list[AskedFile]:
    """Return the rejected or recalled files without a later deposit: each list or tableau once."""
    last: dict[tuple[object, ...], AskedFile] = {}
    for file in deposited:
        last.setdefault(_what(file), file)
    return [file for file in last.values() if file.is_rejected or file.recalled_at]


def _not_deposited(current: Iterable[AskedFile]) -> list[AskedFile]:
    """Return the files without an equally recent deposit: a list deposited as CSV need not be deposited as XML."""
    files = list(current)
    deposited = {it.liste: it.request_id for it in files if it.deposited_on and not it.is_tableau}
    return [it for it in files if not it.deposited_on and (it.is_tableau or it.request_id > deposited.get(it.liste, 0))]


def _what(file: AskedFile) -> tuple[object, ...]:
    """Identify what a later deposit replaces: a list in any format, or a tableau of one kind."""
    if file.is_tableau:
        return file.liste, file.type_tableau, file.presentation, str(file.parameters.get("scrutin"))
    return (file.liste,)
