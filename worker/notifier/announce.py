"""The events that say what became of a request, each with an id that a second copy bears too."""

from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from schemas.envelope import CloudEvent
from schemas.events import ExportFailed, ExportReady, RequestReference, RequestRefused, TableauReference
from schemas.tableaux import Edition, Presentation, TypeTableau
from schemas.vocabulary import ExportKind, ExportStatus, FileFormat
from worker.exports.models import Export, Request

SOURCE = "/module-prefecture"


def file_event(request: Request, export: Export) -> CloudEvent:
    """The event of a file that is ready or failed."""
    reference = RequestReference(source=request.source, id=request.event_id)
    data: ExportReady | ExportFailed
    if export.status == ExportStatus.READY:
        data = ExportReady(
            export_id=export.id,
            request=reference,
            commune=export.code_commune,
            liste=export.nom_liste,
            format=FileFormat(export.format),
            tableau=_tableau(export),
            label=export.label,
            path=f"{export.code_commune}/{export.file_name}",
            size=export.size or 0,
            sha256=export.sha256 or "",
            electeurs=export.electeurs or 0,
            pages=export.pages,
            anomalies_bloquantes=export.bloquantes,
            remarques=export.remarques,
        )
    else:
        data = ExportFailed(
            export_id=export.id,
            request=reference,
            commune=export.code_commune,
            liste=export.nom_liste,
            format=FileFormat(export.format),
            tableau=_tableau(export),
            label=export.label,
            code=export.error_code,
            reason=export.error_message,
        )
    return _answer(request, data, export.finished_at or request.created_at, export.part)


def refusal_event(request: Request) -> CloudEvent:
    """The event of a request that cannot be served."""
    reference = RequestReference(source=request.source, id=request.event_id)
    return _answer(request, RequestRefused(request=reference, reason=request.reason), request.created_at)


def _tableau(export: Export) -> TableauReference | None:
    if export.kind != ExportKind.TABLEAU:
        return None
    return TableauReference(
        type=TypeTableau(export.type_tableau),
        presentation=Presentation(export.presentation),
        edition=Edition(export.edition),
    )


def _answer(
    request: Request, data: ExportReady | ExportFailed | RequestRefused, time: datetime, part: str = ""
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
