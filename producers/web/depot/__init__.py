"""The page of deposits on e-listelec: files to deposit, deposited files, and the platform's replies.

Reply and file are read again for each request of an authorised agent; the result is not stored.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from typing import IO, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import Response

from common.calendrier import MAJORITE
from common.french import count_of, short_date
from common.texte import fold
from producers.state import State
from producers.web.anomalies.report import AnomalyLine, UnreadableReportError, find_about
from producers.web.exports.query import (
    DERNIERS_EXPORTS,
    AskedFile,
    read_current,
    read_files,
    read_made,
    select_made,
)
from producers.web.exports.stored_file import FileAlteredError, FileGoneError, open_asked
from producers.web.forms import (
    IMPOSSIBLE_DAY,
    Paging,
    find_unseen,
    order_faults,
    page_number,
    read_days,
    read_number,
    read_numbers,
    refuse,
    text,
    validate,
)
from producers.web.page_context import NOT_FOUND, PageContext
from producers.web.suivi.requests import DEPOT, note_page, read_declarations, send_note
from producers.web.templating import people_label
from schemas.declarations import FileDeposited, VerdictReceived
from schemas.file_state import FileState
from schemas.profiles.platform import FileForm, picker
from schemas.seen import FILE_FACTS, seen_of
from schemas.vocabulary import Format, Piece, Verdict

PAGE = 15

_MOST = 100
_UNKEPT = "caractères que le module ne peut pas garder : collez-le comme du texte simple"
_BETTER = {
    "jour": IMPOSSIBLE_DAY,
    "jour-reponse": IMPOSSIBLE_DAY,
    "verdict": "dites si le dépôt est accepté ou rejeté",
    "remarque": f"texte trop long (1 000 caractères au plus), ou {_UNKEPT}",
    "texte": f"texte trop long (20 000 caractères au plus), ou {_UNKEPT}",
}
_SEEN = {"deposited": "vu-depot-", "verdict": "vu-reponse-"}
"""The hidden field of a file, by kind of note, before its number."""
_FIELDS = ("export", "jour", "remarque", "concerne", "verdict", "jour-reponse", "texte")


def declare(context: PageContext) -> Response:
    """« Marquer comme déposé »."""
    chosen, found = _read_chosen(context, "export")
    day = read_days({"jour": text(context.form, "jour")}, found, until=context.today).get("jour")
    values = {"deposited_on": day, "remarque": text(context.form, "remarque")}
    note = validate(
        FileDeposited, values, _FIELDS, found, names={"deposited_on": "jour"}, better=_BETTER
    )
    seen = _require_unchanged(context, note, chosen)
    return _send(context, note, f"déposé le {short_date(note.deposited_on)}", chosen, seen)


def record_verdict(context: PageContext) -> Response:
    """« Accepté » or « rejeté », with the platform's reply."""
    chosen, found = _read_chosen(context, "concerne")
    day = read_days({"jour-reponse": text(context.form, "jour")}, found, until=context.today).get(
        "jour-reponse"
    )
    values = {
        "verdict": text(context.form, "verdict"),
        "verdict_on": day,
        "answer": text(context.form, "reponse"),
    }
    names = {"verdict_on": "jour-reponse", "answer": "texte"}
    note = validate(VerdictReceived, values, _FIELDS, found, names=names, better=_BETTER)
    seen = _require_unchanged(context, note, chosen)
    if note.verdict is Verdict.REJETE and (proposal := _propose(context, note, set(chosen))):
        named, words = proposal
        return show(replace(context, faults=order_faults(_FIELDS, {"concerne": words})), named)
    words = f"{note.verdict.label} le {short_date(note.verdict_on)}"
    return _send(context, note, words, chosen, seen)


def _require_unchanged(
    context: PageContext, note: FileDeposited | VerdictReceived, chosen: list[int]
) -> str | None:
    """Return what the form showed of the notes about these files, for the worker; None if it does not say.

    Raises:
        FormRefused: another agent has noted something about one of the files meanwhile.
    """
    files = read_made(context.services.state, context.commune.code, chosen)
    unseen: dict[str, str] = {}
    for file in files:
        known = file.noted(note.kind)
        kept = (getattr(file, name) for name in FILE_FACTS[note.kind])
        said = [
            getattr(note, name, it) for name, it in zip(FILE_FACTS[note.kind], kept, strict=True)
        ]
        name = _SEEN[note.kind] + str(file.export_id)
        words = _describe_noted(file)
        unseen |= find_unseen(context.form, name, known, [(file.export_id, *said)], words)
    refuse(unseen, unseen)
    is_compared = all(_SEEN[note.kind] + str(file.export_id) in context.form for file in files)
    return seen_of(it for file in files for it in file.noted(note.kind)) if is_compared else None


def _describe_noted(file: AskedFile) -> str:
    """Return the deposit and the platform's verdict, for an agent whose own note would replace them."""
    if file.deposited_on is None:
        return ""
    said = f"déposé le {short_date(file.deposited_on)} par {file.deposited_by}"
    said += f", « {file.remarque} »" if file.remarque else ""
    if not file.verdict:
        return f"{said}, sans réponse"
    on = f" le {short_date(file.verdict_on)}" if file.verdict_on else ""
    return f"{said}, {Verdict(file.verdict).label}{on}"


def _propose(
    context: PageContext, note: VerdictReceived, ticked: set[int]
) -> tuple[set[int], str] | None:
    """Return the files that a rejection is about, and why, if the agent has not seen it; None: record the answer.

    A reply is about the files whose electors it names, and about all files of the deposit if it names none.
    """
    first, deposited = read_number(text(context.form, "depot")), _read_recent(context)
    deposit = next(
        (files for files in find_to_answer(deposited) if files[0].export_id == first), []
    )
    is_seen = text(context.form, "lue") == _digest(note.answer)
    if len(deposit) <= 1 or not note.answer or is_seen:
        return None
    named, counted, unread = set[int](), list[str](), list[str]()
    for file in deposit:
        label = people_label(file, context.services.clock())
        found, _, why_not = _find_named(context, file, note.answer, note.verdict_on)
        if found:
            named.add(file.export_id)
            counted.append(f"{label} ({count_of(len(found), 'électeur')})")
        if why_not:
            unread.append(label)
    every = {file.export_id for file in deposit}
    if ticked == named or (not named and ticked != every):
        return None
    words = (
        f"la réponse nomme des électeurs de : {', '.join(counted)} ; rien d'autre n'est coché"
        if named
        else "la réponse ne nomme aucun électeur reconnu : tous les fichiers restent cochés"
    )
    skipped = f". Non cherchés : {', '.join(unread)}" if unread else ""
    return named or every, f"{words}{skipped}. Vérifiez, puis enregistrez de nouveau"


def _digest(answer: str) -> str:
    """Return what identifies the text that a page has compared with the files."""
    return hashlib.sha256(answer.encode()).hexdigest()


def _read_chosen(context: PageContext, field: str) -> tuple[list[int], dict[str, str]]:
    chosen = read_numbers(context.form.getlist("export"))[:_MOST]
    made = read_made(context.services.state, context.commune.code, chosen)
    return [file.export_id for file in made], {} if made else {field: "cochez au moins un fichier"}


def _send(
    context: PageContext,
    note: FileDeposited | VerdictReceived,
    words: str,
    exports: list[int],
    seen: str | None,
) -> Response:
    said = f"{words}, {count_of(len(exports), 'fichier')}"
    return send_note(context, DEPOT, note, said, exports, seen=seen)


def show(context: PageContext, ticked: Collection[int] = ()) -> Response:
    """Show the page; the parameter `export` preselects files. `ticked`: those of a rejection instead."""
    pending = read_declarations(context, DEPOT)
    state, commune = context.services.state, context.commune.code
    chosen = set(
        read_numbers((context.form or context.request.query_params).getlist("export"))[:_MOST]
    )
    current = read_current(state, commune) if context.platform.deposits_wanted else []
    recent = _read_recent(context)
    page = page_number(context.query.get("page", ""))
    shown = (
        recent[: PAGE + 1]
        if page == 1
        else read_deposited(state, commune, PAGE + 1, (page - 1) * PAGE)
    )
    to_deposit = find_to_deposit(current, recent)
    known = {file.export_id for file in to_deposit}
    asked = [
        file for file in read_made(state, commune, chosen - known) if not file.is_never_deposited
    ]
    form = {
        it: str(context.form.get(it, ""))
        for it in ("depot", "jour", "remarque", "verdict", "reponse")
    }
    number = read_number(context.query.get("reponse"))
    to_change = [[it] for it in recent if it.verdict and it.export_id == number]
    to_answer = find_to_answer(recent)
    back = [it for it in recent if it.export_id in chosen] if form["verdict"] else []
    if any(it.verdict for it in back):  # another agent has answered about some of them since
        form["depot"] = str(back[0].export_id)
        to_change = [back]
        to_answer = [
            left
            for files in to_answer
            if (left := [it for it in files if it.export_id not in chosen])
        ]
    return note_page(
        context,
        "depot/depot.html",
        pending,
        chosen=ticked or chosen,
        read_answer=_digest(text(context.form, "reponse")) if ticked else "",
        form=form,
        to_deposit=[*asked, *to_deposit],
        to_correct=[file for file in find_to_correct(current) if file.export_id not in chosen],
        to_answer=[*to_change, *to_answer],
        to_redo=find_to_redo(recent, current),
        deposited=shown[:PAGE],
        paging=Paging.uncounted(context.url("depot"), {}, page=page, has_after=len(shown) > PAGE),
    )


def _read_recent(context: PageContext) -> list[AskedFile]:
    """Return the last deposits, as many as the page looks at."""
    return read_deposited(context.services.state, context.commune.code, 100)


def read_deposited(
    state: State, commune: str, limit: int = 200, offset: int = 0
) -> list[AskedFile]:
    """Return the deposited files, the last deposits first; by default enough to find those without reply."""
    view = DERNIERS_EXPORTS.c
    newest_first = view.deposited_on.desc(), view.export_id.desc()
    deposited = select_made(commune).where(view.deposited_on.is_not(None)).order_by(*newest_first)
    with (
        state.reading() as connection
    ):  # SQLite sorts all deposits of the commune: without the other columns
        numbers = connection.scalars(
            deposited.with_only_columns(view.export_id).limit(limit).offset(offset)
        ).all()
        return read_files(
            connection,
            select_made(commune).where(view.export_id.in_(numbers)).order_by(*newest_first),
        )


def find_to_deposit(
    current: Iterable[AskedFile], deposited: Iterable[AskedFile] = ()
) -> list[AskedFile]:
    """Return the depositable files among the last ones of each kind; a list is deposited in one format only.

    `deposited`: the deposits, newest first. A file that the platform holds already is left out.
    """
    held = find_held(deposited)
    return [
        it for it in _not_deposited(current) if is_depositable(it) and content_of(it) not in held
    ]


def find_to_correct(current: Iterable[AskedFile]) -> list[AskedFile]:
    """Return the files that the platform would reject and that are not deposited, among the last ones of each kind."""
    return [
        it
        for it in _not_deposited(current)
        if it.state is FileState.TO_CORRECT and not it.is_never_deposited
    ]


def is_depositable(file: AskedFile) -> bool:
    """Whether a deposit of the file may be recorded: kept, usable, and in a format that e-listelec accepts.

    An outdated file may have been deposited before the new import; a published tableau may have been deposited too.
    """
    if file.state in {FileState.PUBLISHED, FileState.CERTIFIED}:
        return not (
            file.bloquantes or file.is_incomplete or file.provisoire_until or file.purged_at
        )
    return file.state in {FileState.READY, FileState.OUTDATED} and not file.is_never_deposited


def find_to_answer(deposited: Iterable[AskedFile]) -> list[list[AskedFile]]:
    """Return the last deposits without reply; older ones appear once these have a reply.

    The files of one deposit are of one request, and were deposited on the same day by the same agent.
    """
    groups: dict[tuple[int, date | None, str], list[AskedFile]] = {}
    for file in deposited:
        if not file.verdict:
            groups.setdefault((file.request_id, file.deposited_on, file.deposited_by), []).append(
                file
            )
    return list(groups.values())[:20]


def find_to_redo(
    deposited: Iterable[AskedFile], current: Iterable[AskedFile] = ()
) -> list[AskedFile]:
    """Return the rejected or recalled files without a later deposit: each list or tableau once.

    `current`: the last files. A recalled file that was made again with the same bytes, and accepted, is left out.
    """
    valid = {content_of(it) for it in current if it.state is FileState.READY}
    return [
        file
        for file in _last_deposits(deposited)
        if file.is_rejected
        or (file.recalled_at and not (file.verdict and content_of(file) in valid))
    ]


def content_of(file: AskedFile) -> tuple[str, str | None]:
    """Return what tells one content from another: two lists without electors have the same bytes."""
    return file.liste, file.sha256


def find_held(deposited: Iterable[AskedFile]) -> set[tuple[str, str | None]]:
    """Return the contents that the platform has: those of the last deposits, unless it rejected them.

    A recalled one too: a list that is made again, with the same bytes, is the one that the platform has.
    """
    return {content_of(file) for file in _last_deposits(deposited) if not file.is_rejected}


def find_refused(deposited: Iterable[AskedFile]) -> dict[tuple[str, str | None], AskedFile]:
    """Return the contents that the platform rejected when it last judged them, each with that deposit."""
    judged: dict[tuple[str, str | None], AskedFile] = {}
    for file in deposited:
        if file.verdict:
            judged.setdefault(content_of(file), file)
    return {content: file for content, file in judged.items() if file.is_rejected}


def _last_deposits(deposited: Iterable[AskedFile]) -> Iterable[AskedFile]:
    """Return the last deposit of each list, in any format, and of each tableau of one kind."""
    last: dict[tuple[object, ...], AskedFile] = {}
    for file in deposited:
        kind = file.type_tableau, file.presentation, str(file.parameters.get("scrutin"))
        last.setdefault((file.liste, *(kind if file.is_tableau else ())), file)
    return last.values()


def _not_deposited(current: Iterable[AskedFile]) -> list[AskedFile]:
    """Return the files without an equally recent deposit: a list deposited as CSV need not be deposited as XML."""
    files = list(current)
    deposited = {it.liste: it.request_id for it in files if it.deposited_on and not it.is_tableau}
    return [
        it
        for it in files
        if not it.deposited_on and (it.is_tableau or it.request_id > deposited.get(it.liste, 0))
    ]


MOST_FOUND = 200

_WORD = re.compile(r"\w+")
_DATE = re.compile(r"\b\d{2}/\d{2}/\d{4}\b")
_NUMBER = re.compile(r"\b(?:n\s?[°o]|numero(?: general)?|electeur)\s*:?\s*(\d{1,9})\b")
_VALUES = "numero_general", "nom_naissance", "prenoms", "date_naissance", "code_bureau"


class ListedElecteur(NamedTuple):
    numero: str
    nom: str
    prenoms: str
    naissance: str
    bureau: str


@dataclass(frozen=True)
class AnswerLine:
    """A line of the reply, with the words, dates and numbers that may identify an elector."""

    text: str
    words: frozenset[str]
    dates: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def read(cls, text: str, said_on: date) -> "AnswerLine":
        """Parse a line: words without accents, possible dates of birth, and numbers introduced as an elector's."""
        folded = fold(text)
        dates = {day for day in _DATE.findall(folded) if int(day[-4:]) <= said_on.year - MAJORITE}
        return cls(
            text,
            frozenset(_WORD.findall(folded)),
            frozenset(dates),
            frozenset(_NUMBER.findall(folded)),
        )

    def names(self, electeur: ListedElecteur) -> bool:
        """Whether the line names the elector: by number, by whole name and birth date, or first name without dates.

        A homonym with another date of birth does not match.
        """
        if electeur.numero and electeur.numero in self.numbers:
            return True
        nom = _WORD.findall(fold(electeur.nom))
        if not nom or not self.words.issuperset(nom):
            return False
        if self.dates:
            return electeur.naissance in self.dates
        prenoms = _WORD.findall(fold(electeur.prenoms))
        return bool(prenoms) and prenoms[0] in self.words


@dataclass(frozen=True)
class Named:
    """An elector named by the reply, with the line that names them and their anomalies."""

    electeur: ListedElecteur
    said: str
    anomalies: Sequence[AnomalyLine] = ()


def match(
    answer: str, said_on: date, electeurs: Iterable[ListedElecteur]
) -> tuple[list[Named], list[str]]:
    """Return the electors named by the reply, in the order of the file, and the lines that name none."""
    lines = [AnswerLine.read(line.strip(), said_on) for line in answer.splitlines() if line.strip()]
    words = frozenset().union(*(line.words for line in lines))
    numbers = frozenset().union(*(line.numbers for line in lines))
    found: list[Named] = []
    matched: set[str] = set()
    for electeur in electeurs:
        first = _WORD.match(fold(electeur.nom))
        if not (electeur.numero in numbers or (first and first[0] in words)):
            continue
        for line in lines:
            if line.names(electeur):
                found.append(Named(electeur, line.text))
                matched.add(line.text)
                break
        if len(found) == MOST_FOUND:
            break
    return found, [line.text for line in lines if line.text not in matched]


def read_electeurs(file: IO[bytes], form: FileForm) -> Iterator[ListedElecteur]:
    pick = picker(form.values, _VALUES)
    file.readline()
    for line in file:
        yield ListedElecteur(*pick(form.split(line)))


def show_answer(context: PageContext) -> Response:
    file = context.file()
    if not file.verdict:
        raise HTTPException(NOT_FOUND)
    found, others, why_not = _look(context, file)
    return context.render(
        "depot/answer.html", file=file, found=found, others=others, why_not=why_not, most=MOST_FOUND
    )


def _look(context: PageContext, file: AskedFile) -> tuple[list[Named], list[str], str]:
    if not file.answer:
        return [], [], ""
    found, others, why_not = _find_named(
        context, file, file.answer, file.verdict_on or context.today
    )
    if not (file.report and found):
        return found, others, why_not
    try:
        with closing(
            open_asked(context.services.settings.exports_dir, file, Piece.RAPPORT)
        ) as report:
            about = find_about(report.file, {it.electeur[1:4] for it in found})
    except (FileGoneError, FileAlteredError, UnreadableReportError):
        return [], [], _UNREADABLE
    named = [Named(it.electeur, it.said, about.get(it.electeur[1:4], ())) for it in found]
    return named, others, ""


_UNREADABLE = "Le fichier n'est plus lisible sur le disque : les électeurs n'ont pas été cherchés."


def _find_named(
    context: PageContext, file: AskedFile, answer: str, said_on: date
) -> tuple[list[Named], list[str], str]:
    """Return the electors of the file whom the text names, its other lines, and why the file was not read."""
    if file.is_tableau or file.format != Format.CSV:
        return [], [], "Les électeurs ne sont cherchés que dans les listes en CSV."
    try:
        with closing(open_asked(context.services.settings.exports_dir, file)) as delivery:
            found, others = match(answer, said_on, read_electeurs(delivery.file, file.form))
    except (FileGoneError, FileAlteredError):
        return [], [], _UNREADABLE
    return found, others, ""
