"""The questions about a batch, each one SELECT on the views; a batch is the requests of one correlation id."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, String, and_, case, column, func, select, table

from producers.batch.batch import BatchProgress, CommuneOutcome, Failure
from schemas.vocabulary import UNFINISHED, ExportStatus, RequestOutcome

_REQUEST = ("source", "event_id", "correlation_id", "code_commune")
_FILE = (
    *("nom_commune", "liste", "type_tableau", "status", "bloquantes", "a_completer", "remarques"),
    *("error_code", "error_message"),
)
_DATE = "provisoire_until"
_RECALLED = "recalled_at"
_EXPORTS = table("derniers_exports", *(column(name) for name in (*_REQUEST, *_FILE, _DATE, _RECALLED)))
_READY = _EXPORTS.c.status == ExportStatus.READY
_IS_RECALLED = _EXPORTS.c[_RECALLED].is_not(None)
_IS_PROVISIONAL = ~_IS_RECALLED & _EXPORTS.c[_DATE].is_not(None)
_IS_TO_CORRECT = ~_IS_RECALLED & _EXPORTS.c[_DATE].is_(None) & (_EXPORTS.c.bloquantes > 0)
_IS_TO_COMPLETE = (
    ~_IS_RECALLED & _EXPORTS.c[_DATE].is_(None) & (_EXPORTS.c.bloquantes == 0) & (_EXPORTS.c.a_completer > 0)
)
_KINDS = {
    "provisional": _IS_PROVISIONAL,
    "to_correct": _IS_TO_CORRECT,
    "to_complete": _IS_TO_COMPLETE,
    "recalled": _IS_RECALLED,
}
"""What a file that is ready may be besides; at most one of these."""
_DEMANDES = table("demandes", *(column(name, String) for name in (*_REQUEST, "outcome", "reason")))


def select_progress(source: str, correlation_id: str) -> Select[Any]:
    """One row: the fields of BatchProgress."""
    export, demande = _EXPORTS.c, _DEMANDES.c
    files = (
        select(
            export.event_id,
            _count(export.status.in_(UNFINISHED)).label("unfinished"),
            *(_count(export.status == status).label(status) for status in _settled()),
            *(_count(_READY & is_one).label(name) for name, is_one in _KINDS.items()),
        )
        .where(_of_batch(export, source, correlation_id))
        .group_by(export.event_id)
        .subquery()
    )
    is_refused = demande.outcome == RequestOutcome.REFUSED
    return (
        select(
            func.count().label("read"),
            _count(is_refused | (files.c.unfinished == 0)).label("settled"),
            _count(is_refused).label("refused"),
            *(func.coalesce(func.sum(files.c[name]), 0).label(name) for name in (*_settled(), *_KINDS)),
        )
        .select_from(_DEMANDES.outerjoin(files, files.c.event_id == demande.event_id))
        .where(_of_batch(demande, source, correlation_id))
    )


def to_progress(row: Row[Any]) -> BatchProgress:
    """Read the row of `select_progress`."""
    return BatchProgress(**{name: int(number) for name, number in row._mapping.items()})  # noqa: SLF001 — public


def select_requests(source: str, correlation_id: str) -> Select[Any]:
    """One row per request."""
    demande = _DEMANDES.c
    query = select(demande.event_id, demande.outcome, demande.reason)
    return query.where(_of_batch(demande, source, correlation_id)).order_by(demande.outcome.desc())


def select_files(source: str, correlation_id: str) -> Select[Any]:
    """One row per request, list, type of tableau and way to end."""
    export = _EXPORTS.c
    kinds = (export.event_id, export.nom_commune, export.liste, export.type_tableau, export.status)
    reasons = (export.error_code, export.error_message)
    stands = case((~_IS_RECALLED, export.bloquantes), else_=0), case((~_IS_RECALLED, export.remarques), else_=0)
    anomalies = [func.max(number).label(name) for name, number in zip(("bloquantes", "remarques"), stands, strict=True)]
    return (
        select(*kinds, *reasons, func.count().label("files"), *anomalies)
        .add_columns(*(_count(is_one).label(name) for name, is_one in _KINDS.items()))
        .where(_of_batch(export, source, correlation_id))
        .group_by(*kinds, *reasons)
        .order_by(*kinds, *reasons)
    )


def to_outcomes(
    asked: Iterable[CommuneOutcome], requests: Iterable[Row[Any]], files: Iterable[Row[Any]]
) -> list[CommuneOutcome]:
    """What became of what was asked, in the same order; other requests of the same name are left out."""
    outcomes = {it.event_id: it for it in asked}
    for row in requests:
        if known := outcomes.get(row.event_id):
            outcomes[row.event_id] = replace(known, outcome=RequestOutcome(row.outcome), reason=row.reason)
    for row in files:
        if known := outcomes.get(row.event_id):
            outcomes[row.event_id] = _with_files(known, row)
    return list(outcomes.values())


def _with_files(known: CommuneOutcome, row: Row[Any]) -> CommuneOutcome:
    status, known = ExportStatus(row.status), replace(known, nom=row.nom_commune)
    match status:
        case ExportStatus.READY:
            return replace(
                known,
                ready=known.ready + row.files,
                provisional=known.provisional + row.provisional,
                to_correct=known.to_correct + row.to_correct,
                to_complete=known.to_complete + row.to_complete,
                recalled=known.recalled + row.recalled,
                bloquantes=known.bloquantes + row.bloquantes,
                remarques=known.remarques + row.remarques,
            )
        case ExportStatus.FAILED:
            return replace(known, failed=known.failed + row.files, failures=_add_failure(known.failures, row))
        case ExportStatus.CANCELLED:
            return replace(known, cancelled=known.cancelled + row.files)
        case _:
            return replace(known, unfinished=known.unfinished + row.files)


def _add_failure(failures: tuple[Failure, ...], row: Row[Any]) -> tuple[Failure, ...]:
    reason = (row.error_code, row.error_message)
    files = {(it.code, it.reason): it.files for it in failures}
    files[reason] = files.get(reason, 0) + row.files
    return tuple(Failure(*reason, number) for reason, number in files.items())


def _of_batch(columns: Any, source: str, correlation_id: str) -> ColumnElement[bool]:  # noqa: ANN401 — of either view
    return and_(columns.source == source, columns.correlation_id == correlation_id)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _settled() -> list[ExportStatus]:
    return [ExportStatus.READY, ExportStatus.FAILED, ExportStatus.CANCELLED]
