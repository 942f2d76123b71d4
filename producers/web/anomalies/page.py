"""The page of a file's anomalies: blocking first, filtered, paginated.

A searched name is sent in a form, never in a URL, which proxies and browsers keep.
"""

from collections import Counter
from collections.abc import Mapping
from typing import IO

from starlette.exceptions import HTTPException
from starlette.responses import Response

from producers.web.anomalies.report import (
    AnomalyKind,
    Criteria,
    Summary,
    UnreadableReportError,
    read_page,
    summarize,
)
from producers.web.exports.query import AskedFile
from producers.web.exports.stored_file import FileAlteredError, FileGoneError, open_asked
from producers.web.forms import Paging, page_number, typed
from producers.web.page_context import BROKEN, GONE, NOT_FOUND, PageContext
from schemas.vocabulary import Piece, SeenPage, Severity

NO_BUREAU = "-"
"""Value of a URL for anomalies without bureau: of the whole file, or of an elector without bureau."""

_LONGEST = 100


def show(context: PageContext) -> Response:
    """Show the page filtered by the URL, or by the form, which alone may contain a name."""
    sent, file = typed(context.form), context.file()
    asked, text = sent or context.query, sent.get("nom", "")[:_LONGEST]
    if not file.is_ready:
        raise HTTPException(NOT_FOUND)
    if not file.report:
        return _without_report(context, file, GONE if Piece.RAPPORT in file.pieces else 200)
    filters = {
        name: asked.get(name, "")[:_LONGEST] for name in ("gravite", "bureau", "colonne", "code")
    }
    criteria = Criteria(
        severity=Severity(filters["gravite"]).label if filters["gravite"] in set(Severity) else "",
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
    context: PageContext,
    file: AskedFile,
    report: IO[bytes],
    criteria: Criteria,
    filters: Mapping[str, str],
) -> Response:
    summary = summarize(report, criteria)
    page = min(
        page_number(str(context.form.get("page") or context.query.get("page", ""))), summary.pages
    )
    address = context.url("anomalies", export=file.export_id)
    groups = read_page(report, summary, criteria.text, page)
    context.record_seen(
        SeenPage.SEARCH if criteria.text else SeenPage.ANOMALIES, len(groups), file.export_id
    )
    by_bureau: Counter[str] = Counter()
    for kind, number in summary.counts.items():
        by_bureau[kind.bureau] += number
    return context.render(
        "anomalies/anomalies.html",
        file=file,
        criteria=criteria,
        filters=filters,
        summary=summary,
        kinds=_kinds(summary),
        bureaux={
            code
            or NO_BUREAU: f"{f'Bureau {code}' if code else 'Sans bureau, ou tout le fichier'} ({number})"
            for code, number in sorted(by_bureau.items())
        },
        columns={it: it for it in sorted({kind.column for kind in summary.counts}) if it},
        groups=groups,
        paging=Paging.of(
            address, filters, page=page, total=summary.groups.total(), size=summary.size
        ),
    )


def _kinds(summary: Summary) -> list[tuple[AnomalyKind, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], AnomalyKind] = {}
    for kind, number in summary.counts.items():
        counts[kind.code, kind.column] += number
        first.setdefault((kind.code, kind.column), kind)
    found = [(kind, counts[key]) for key, kind in first.items()]
    gravest_first = [severity.label for severity in Severity]
    return sorted(found, key=lambda it: (gravest_first.index(it[0].severity), -it[1], it[0].code))


def _without_report(context: PageContext, file: AskedFile, status: int) -> Response:
    return context.render(
        "anomalies/anomalies_none.html", status, file=file, is_broken=status == BROKEN
    )
