"""The page of a file's anomalies: blocking first, filtered, paginated.

A searched name is sent in a form, never in a URL, which proxies and browsers keep. An agent marks anomalies as handled
(« Traité »): the audit trail stores only line numbers of the report. A later file of the list shows whether the REU was
corrected.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO
from urllib.parse import urlencode

from sqlalchemy import column, select, table
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from producers.state import State, to_instant
from producers.web.anomalies.report import (
    PAGE,
    AnomalyGroup,
    AnomalyKind,
    AnomalyLine,
    Criteria,
    Summary,
    UnreadableReportError,
    read_lines,
    read_page,
    summarize,
)
from producers.web.exports.query import AskedFile, read_file
from producers.web.exports.stored_file import FileAlteredError, FileGoneError, open_asked
from producers.web.forms import Paging, page_number, read_numbers, text
from producers.web.page_context import BROKEN, GONE, NOT_FOUND, SEE_OTHER, PageContext
from producers.web.registre.query import read_registres
from producers.web.suivi.pending import read_declarations, send_note
from schemas.screen_notes import AnomaliesHandled
from schemas.vocabulary import Piece, SeenPage, Severity

NO_BUREAU = "-"
"""Value of a URL for anomalies without bureau: of the whole file, or of an elector without bureau."""

_LONGEST = 100
_FILTERS = ("gravite", "bureau", "colonne", "code")
_MOST_LINES = 200
_MOST_FORMER = 10
"""Maximum number of earlier files to search for handled lines."""
_DETAIL = re.compile(r"(traité|à traiter), lignes du rapport : ([0-9, ]+)")

_JOURNAL = table(
    "journal", *(column(name) for name in ("at", "actor", "action", "code_commune", "export_id", "detail"))
)


@dataclass(frozen=True)
class Handled:
    """The agent who marked a line as handled, and when."""

    by: str
    at: datetime


def read_handled(state: State, commune: str) -> dict[int, dict[int, Handled]]:
    """Return the handled lines of each file's report, from the audit trail."""
    view, found = _JOURNAL.c, dict[int, dict[int, Handled]]()
    query = select(view.at, view.actor, view.export_id, view.detail)
    is_one = view.code_commune == commune, view.action == "anomalies_handled"
    for row in state.read(query.where(*is_one).order_by(view.at)):
        at, said = to_instant(row.at), _DETAIL.fullmatch(row.detail)
        if said is None or at is None:
            continue
        lines, numbers = found.setdefault(row.export_id, {}), [int(it) for it in said[2].split(", ")]
        if said[1] == "traité":
            lines |= dict.fromkeys(numbers, Handled(row.actor, at))
        else:
            for number in numbers:
                lines.pop(number, None)
    return found


def show(context: PageContext) -> Response:
    return _answer(context, context.query, "")


def search(context: PageContext) -> Response:
    """Show the page filtered by the form, which may contain a name."""
    asked = {name: str(value) for name, value in context.form.items()}
    return _answer(context, asked, asked.get("nom", "").strip()[:_LONGEST])


def handle(context: PageContext) -> Response:
    """« Traité », « Pas encore »: mark the lines of one elector; then show the page with the same filters."""
    file = context.file()
    done = text(context.form, "traite")
    lines = read_numbers((done or text(context.form, "a_traiter")).split(","))[:_MOST_LINES]
    if not file.is_ready or not lines:
        raise HTTPException(NOT_FOUND)
    act = AnomaliesHandled(export=file.export_id, lines=lines, is_handled=bool(done))
    words = "anomalies traitées" if done else "anomalies encore à traiter"
    failure = send_note(context, f"anomalies-{file.export_id}", act, words, lines)
    name = text(context.form, "nom")[:_LONGEST]
    asked = {it: text(context.form, it) for it in _FILTERS}
    if failure or name:  # a name is never put into a URL
        return _answer(context, asked, name, failure)
    page = str(page_number(text(context.form, "page")))
    query = urlencode({it: value for it, value in (asked | {"page": page}).items() if value})
    return RedirectResponse(f"{context.url('anomalies', export=file.export_id)}?{query}#lignes", SEE_OTHER)


def _answer(context: PageContext, asked: Mapping[str, str], text: str, failure: str | None = None) -> Response:
    file = context.file()
    if not file.is_ready:
        raise HTTPException(NOT_FOUND)
    if not file.report:
        return _without_report(context, file, GONE if Piece.RAPPORT in file.pieces else 200)
    filters = {name: asked.get(name, "")[:_LONGEST] for name in _FILTERS}
    criteria = Criteria(
        severity=Severity(filters["gravite"]).label if filters["gravite"] in set(Severity) else "",
        bureau={"": None, NO_BUREAU: ""}.get(filters["bureau"], filters["bureau"]),
        column=filters["colonne"],
        code=filters["code"],
        text=text,
    )
    try:
        with open_asked(context.services.settings.exports_dir, file, Piece.RAPPORT).file as report:
            return _render(context, file, report, (criteria, filters), failure)
    except FileGoneError:
        return _without_report(context, file, GONE)
    except (FileAlteredError, UnreadableReportError):
        return _without_report(context, file, BROKEN)


def _render(
    context: PageContext,
    file: AskedFile,
    report: IO[bytes],
    wanted: tuple[Criteria, Mapping[str, str]],
    failure: str | None,
) -> Response:
    criteria, filters = wanted
    # The order matters: a note recorded between the two reads is still pending, or already handled.
    pending = read_declarations(context, f"anomalies-{file.export_id}")
    handled = read_handled(context.services.state, context.commune.code)
    summary = summarize(report, criteria)
    page = min(page_number(str(context.form.get("page") or context.query.get("page", ""))), summary.pages)
    address = context.url("anomalies", export=file.export_id)
    groups = read_page(report, summary, criteria.text, page)
    context.record_seen(SeenPage.SEARCH if criteria.text else SeenPage.ANOMALIES, len(groups), file.export_id)
    return context.render(
        "anomalies/anomalies.html",
        failure=failure,
        pending=pending,
        handled=handled.get(file.export_id, {}),
        claims=_read_claims(context, file, handled, groups),
        file=file,
        criteria=criteria,
        filters=filters,
        summary=summary,
        kinds=_kinds(summary),
        bureaux=_bureaux(summary),
        columns={it: it for it in sorted({kind.column for kind in summary.counts}) if it},
        groups=groups,
        paging=Paging.of(address, filters, page=page, total=summary.groups.total(), size=PAGE),
    )


@dataclass(frozen=True)
class FormerNote:
    """An earlier note about an elector's anomaly; `is_refuted` if an export imported since still has it."""

    handled: Handled
    is_refuted: bool


def _read_claims(
    context: PageContext, file: AskedFile, handled: Mapping[int, Mapping[int, Handled]], groups: Iterable[AnomalyGroup]
) -> dict[int, FormerNote]:
    """By line, return the note about the same anomaly in the last earlier file of the list that has notes."""
    others = sorted((it for it in handled if it < file.export_id and handled[it]), reverse=True)
    state, commune = context.services.state, context.commune.code
    files = (read_file(state, commune, it) for it in others[:_MOST_FORMER])
    former = next((it for it in files if it and it.same_as == file.same_as and not it.purged_at), None)
    if former is None or file.finished_at is None:
        return {}
    said = handled[former.export_id]
    try:
        with open_asked(context.services.settings.exports_dir, former, Piece.RAPPORT).file as report:
            known = {_who_and_what(line): said[number] for number, line in read_lines(report, said).items()}
    except (FileGoneError, FileAlteredError, UnreadableReportError):
        return {}
    liste = read_registres(state, commune).get(file.liste)
    imported_at = liste.imported_at if liste else None
    return {
        number: FormerNote(claim, bool(imported_at and claim.at < imported_at < file.finished_at))
        for group in groups
        for number, line in group.lines
        if (claim := known.get(_who_and_what(line)))
    }


def _who_and_what(line: AnomalyLine) -> Sequence[str]:
    """Identify an anomaly across files: the elector's number and bureau may change."""
    return (line.nom, line.prenoms, line.naissance, line.column, line.code, "" if line.nom else line.bureau)


def _kinds(summary: Summary) -> list[tuple[AnomalyKind, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], AnomalyKind] = {}
    for kind, number in summary.counts.items():
        counts[kind.code, kind.column] += number
        first.setdefault((kind.code, kind.column), kind)
    found = [(kind, counts[key]) for key, kind in first.items()]
    return sorted(found, key=lambda it: (_GRAVEST_FIRST.index(it[0].severity), -it[1], it[0].code))


_GRAVEST_FIRST = [severity.label for severity in Severity]


def _bureaux(summary: Summary) -> dict[str, str]:
    counts: Counter[str] = Counter()
    for kind, number in summary.counts.items():
        counts[kind.bureau] += number
    return {
        code or NO_BUREAU: f"{f'Bureau {code}' if code else 'Sans bureau, ou tout le fichier'} ({number})"
        for code, number in sorted(counts.items())
    }


def _without_report(context: PageContext, file: AskedFile, status: int) -> Response:
    return context.render("anomalies/anomalies_none.html", status, file=file, is_broken=status == BROKEN)
