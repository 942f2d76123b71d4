"""The anomalies of a file, for the clerk who corrects them: blocking first, filtered, a page at a time.

A name that is looked for never stands in an address, where proxies and browsers would keep it: it comes by a form.
"""

from collections import Counter
from collections.abc import Mapping
from typing import IO

from starlette.exceptions import HTTPException
from starlette.responses import Response

from producers.web.anomalies.report import (
    PAGE,
    AnomalyKind,
    Criteria,
    Summary,
    UnreadableReportError,
    read_page,
    summarize,
)
from producers.web.exports.query import AskedFile, read_file
from producers.web.exports.stored_file import FileAlteredError, FileGoneError, open_asked
from producers.web.forms import Paging, page_number
from producers.web.page_context import BROKEN, GONE, NOT_FOUND, PageContext
from schemas.vocabulary import Piece, Severity

NO_BUREAU = "-"
"""In an address: what concerns no bureau, the whole file or an elector who has none."""

_LONGEST = 100


def show(context: PageContext) -> Response:
    """The page, for the filters in the address."""
    return _answer(context, context.query, "")


def search(context: PageContext) -> Response:
    """The page, for the filters of the form and a name."""
    asked = {name: str(value) for name, value in context.form.items()}
    return _answer(context, asked, asked.get("nom", "").strip()[:_LONGEST])


def _answer(context: PageContext, asked: Mapping[str, str], text: str) -> Response:
    file = read_file(context.services.state, context.commune.code, context.number("export"))
    if file is None or not file.is_ready:
        raise HTTPException(NOT_FOUND)
    if file.purged_at or not file.report_name:
        return _without_report(context, file, GONE if file.purged_at and file.report_name else 200)
    filters = {name: asked.get(name, "")[:_LONGEST] for name in ("gravite", "bureau", "colonne", "code")}
    criteria = Criteria(
        severity=filters["gravite"] if filters["gravite"] in set(Severity) else "",
        bureau={"": None, NO_BUREAU: ""}.get(filters["bureau"], filters["bureau"]),
        column=filters["colonne"],
        code=filters["code"],
        text=text,
    )
    try:
        with open_asked(context.services.settings.exports_dir, file, Piece.RAPPORT).file as report:
            return _render(context, file, report, criteria, filters)
    except FileGoneError:
        return _without_report(context, file, GONE)
    except (FileAlteredError, UnreadableReportError):
        return _without_report(context, file, BROKEN)


def _render(
    context: PageContext, file: AskedFile, report: IO[bytes], criteria: Criteria, filters: Mapping[str, str]
) -> Response:
    summary = summarize(report, criteria)
    page = min(page_number(str(context.form.get("page") or context.query.get("page", ""))), summary.pages)
    address = context.url("anomalies", export=file.export_id)
    return context.render(
        "anomalies/anomalies.html",
        file=file,
        criteria=criteria,
        filters=filters,
        summary=summary,
        kinds=_kinds(summary),
        bureaux=_bureaux(summary),
        columns={it: it for it in sorted({kind.column for kind in summary.counts}) if it},
        lines=read_page(report, summary, criteria.text, page),
        paging=Paging.of(address, filters, page=page, total=summary.found.total(), size=PAGE),
    )


def _kinds(summary: Summary) -> list[tuple[AnomalyKind, int]]:
    """Each kind once, with how many lines it has in all bureaux: blocking first, then the most frequent."""
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], AnomalyKind] = {}
    for kind, number in summary.counts.items():
        counts[kind.code, kind.column] += number
        first.setdefault((kind.code, kind.column), kind)
    found = [(kind, counts[key]) for key, kind in first.items()]
    return sorted(found, key=lambda it: (it[0].severity != Severity.BLOCKING, -it[1], it[0].code))


def _bureaux(summary: Summary) -> dict[str, str]:
    """For the choice of a bureau: what the address says, and what the clerk reads."""
    counts: Counter[str] = Counter()
    for kind, number in summary.counts.items():
        counts[kind.bureau] += number
    return {
        code or NO_BUREAU: f"{f'Bureau {code}' if code else 'Sans bureau'} ({number})"
        for code, number in sorted(counts.items())
    }


def _without_report(context: PageContext, file: AskedFile, status: int) -> Response:
    return context.render("anomalies/anomalies_none.html", status, file=file, is_broken=status == BROKEN)
