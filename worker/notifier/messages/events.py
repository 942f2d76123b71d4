"""The events that say what became of a request, each with an id that a second copy bears too."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from schemas.envelope import CloudEvent, Data
from schemas.events import (
    EcheanceNear,
    ExpectedFile,
    ExportCancelled,
    ExportFailed,
    ExportReady,
    ExportRecalled,
    RefusalFault,
    RequestAccepted,
    RequestRefused,
    RequestSettled,
    TableauReference,
)
from schemas.requests import RequestReference
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import ExportKind, ExportStatus, FileFormat, RequestOutcome
from worker.exports.models import WITHOUT_KEY, Export, Recall, Request
from worker.notifier.messages.deadlines import Deadline

SOURCE = "/module-prefecture"

PublishAnswer = Callable[[CloudEvent, str], None]
"""Puts an event on the exchange, for the account whose request it answers too; empty where it answers none."""


def file_event(request: Request, export: Export) -> CloudEvent:
    """The event of a file that is ready, failed or cancelled."""
    data: ExportReady | ExportFailed | ExportCancelled
    about = _about(request, export)
    match export.status:
        case ExportStatus.READY:
            data = ExportReady(
                **about,
                path=f"{export.code_commune}/{export.file_name}",
                size=export.size or 0,
                sha256=export.sha256 or "",
                electeurs=export.electeurs or 0,
                pages=export.pages,
                anomalies_bloquantes=export.bloquantes,
                remarques=export.remarques,
                provisoire_until=export.provisoire_until,
            )
        case ExportStatus.CANCELLED:
            data = ExportCancelled(**about, reason=export.error_message)
        case _:
            data = ExportFailed(**about, code=export.error_code, reason=export.error_message)
    return _answer(request, data, export.finished_at or request.created_at, export.part)


def recall_event(recall: Recall, export: Export) -> CloudEvent:
    """The event of a file that is to be made again."""
    data = ExportRecalled(**_about(export.request, export), because=recall.because)
    return _answer(export.request, data, recall.created_at, export.part)


def answer_event(request: Request) -> CloudEvent:
    """What the sender of an event is answered, once it was read."""
    if request.outcome == RequestOutcome.REFUSED:
        return refusal_event(request)
    expected = [
        ExpectedFile(
            export_id=export.id,
            liste=export.nom_liste,
            format=FileFormat(export.format),
            tableau=_tableau(export),
            label=export.label,
        )
        for export in request.exports
    ]
    return _answer(request, RequestAccepted(**_about_request(request), exports=expected), request.created_at)


def refusal_event(request: Request) -> CloudEvent:
    """The event of a request that cannot be served."""
    data = RequestRefused(
        request=_reference(request),
        code=request.code or "refus",
        reason=request.reason,
        errors=[RefusalFault(**fault) for fault in request.faults or ()],
    )
    return _answer(request, data, request.created_at, request.payload_hash if request.code in WITHOUT_KEY else "")


def settled_event(request: Request) -> CloudEvent:
    """The event that ends those of a request: nothing more will happen to its files."""
    number = Counter(export.status for export in request.exports)
    ended_at = max(export.finished_at or request.created_at for export in request.exports)
    data = RequestSettled(
        **_about_request(request),
        ready=number[ExportStatus.READY],
        failed=number[ExportStatus.FAILED],
        cancelled=number[ExportStatus.CANCELLED],
    )
    return _answer(request, data, ended_at)


def _about_request(request: Request) -> dict[str, Any]:
    return {"request": _reference(request), "request_id": request.id, "commune": request.code_commune}


def deadline_event(code_commune: str, day: date, deadline: Deadline) -> CloudEvent:
    """The event of a deadline that a commune is reminded of on a day."""
    data = EcheanceNear(commune=code_commune, **deadline._asdict())
    name = f"{code_commune}\n{day}\n{deadline.echeance}\n{deadline.due_on}\n{data.EVENT_TYPE}"
    identity = str(uuid5(NAMESPACE_URL, name))
    return CloudEvent(
        id=identity,
        source=SOURCE,
        type=data.EVENT_TYPE,
        time=datetime.combine(day, time(), UTC),
        correlationid=identity,
        data=data.model_dump(mode="json"),
    )


def _reference(request: Request) -> RequestReference:
    return RequestReference(source=request.source, id=request.event_id)


def _about(request: Request, export: Export) -> dict[str, Any]:
    return {
        "export_id": export.id,
        "request": _reference(request),
        "commune": export.code_commune,
        "liste": export.nom_liste,
        "format": FileFormat(export.format),
        "tableau": _tableau(export),
        "label": export.label,
    }


def _tableau(export: Export) -> TableauReference | None:
    if export.kind != ExportKind.TABLEAU:
        return None
    return TableauReference(
        type=TypeTableau(export.type_tableau),
        presentation=Presentation(export.presentation),
        edition=Edition(export.edition),
    )


def _answer(
    request: Request,
    data: Data,
    time: datetime,
    part: str = "",
) -> CloudEvent:
    name = f"{request.source}\n{request.event_id}\n{part}\n{data.EVENT_TYPE}\n{time.isoformat()}"
    return CloudEvent(
        id=str(uuid5(NAMESPACE_URL, name)),
        source=SOURCE,
        type=data.EVENT_TYPE,
        time=time,
        correlationid=request.correlation_id,
        causationid=request.event_id,
        data=data.model_dump(mode="json", exclude_none=True),
    )
