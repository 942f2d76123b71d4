"""The events about the progress and result of a request; equal events have equal ids."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from schemas.envelope import CloudEvent, Data
from schemas.events import (
    AnsweredRequest,
    EcheanceNear,
    ExpectedFile,
    FileStatus,
    RefusalFault,
    RegistreStatus,
    RequestStage,
    RequestStatus,
    ended_fields,
    expected_fields,
    name_event,
    recalled_fields,
)
from schemas.faults import Fault
from schemas.http import FILE_PATH, PREFIX
from schemas.topology import SOURCE
from schemas.vocabulary import ExportStatus, PreviewAct, PreviewStatus, RequestOutcome
from worker.arrivals import Preview
from worker.exports.models import WITHOUT_KEY, Export, Recall, Request
from worker.notifier.models import Deadline

AnsweredEvent = tuple[CloudEvent, str]
"""An event, and the account whose request it answers; empty when it answers none."""

PublishEvent = Callable[[CloudEvent, str], None]
"""Publishes an event on the exchange, also for the account whose request it answers.

Raises:
    TransientError: the broker is away.
"""


def file_event(request: Request, export: Export, public_url: str = "") -> CloudEvent:
    """Return the event of a ready, failed or cancelled file; `public_url`: the address of the screen, if any."""
    path = FILE_PATH.format(export_id=export.id)
    url = f"{public_url.rstrip('/')}{PREFIX}{path}" if public_url else None
    data = FileStatus(**_about(request, export), **ended_fields(export, url))
    return _answer(request, data, export.finished_at or request.created_at, export.id)


def recall_event(recall: Recall, export: Export) -> CloudEvent:
    """Return the event of a recalled file."""
    data = FileStatus(**_about(export.request, export), **recalled_fields(recall.because))
    return _answer(export.request, data, recall.created_at, export.id)


def answer_event(request: Request) -> CloudEvent:
    """Return the reply to the sender of an event, once it is read."""
    if request.outcome == RequestOutcome.REFUSED:
        return refusal_event(request)
    expected = [ExpectedFile(**expected_fields(it, it.id)) for it in request.exports]
    data = RequestStatus(
        **_about_request(request),
        status=RequestStage.ACCEPTED,
        exports=expected,
        ignored=_read_faults(request) or None,
    )
    return _answer(request, data, request.created_at, data.status)


def refusal_event(request: Request) -> CloudEvent:
    """Return the event of a refused request."""
    data = RequestStatus(
        request=_reference(request),
        status=RequestStage.REFUSED,
        code=request.code or "refus",
        reason=request.reason,
        errors=_read_faults(request),
        commune=request.code_commune or None,
    )
    copy = request.payload_hash if request.code in WITHOUT_KEY else ""
    return _answer(request, data, request.created_at, f"{data.status}\n{copy}")


def _read_faults(request: Request) -> list[RefusalFault]:
    return [RefusalFault.of(Fault(**fault)) for fault in request.faults or ()]


def settled_event(request: Request) -> CloudEvent:
    """Return the last event of a request: its files do not change any more."""
    number = Counter(export.status for export in request.exports)
    ended_at = max(export.finished_at or request.created_at for export in request.exports)
    data = RequestStatus(
        **_about_request(request),
        status=RequestStage.SETTLED,
        ready=number[ExportStatus.READY],
        failed=number[ExportStatus.FAILED],
        cancelled=number[ExportStatus.CANCELLED],
    )
    return _answer(request, data, ended_at, data.status)


def registre_event(request: Request, preview: Preview) -> CloudEvent:
    """Return the event of the result of a request about an export of the REU: its preview, or its import."""
    status = PreviewStatus(preview.status)
    about = _about_request(request) | {"preview_id": preview.id, "sha256": preview.sha256}
    about["act"] = PreviewAct(preview.act)
    if preview.import_request_id == request.id and not status.is_asked:
        import_id = preview.import_id if status is PreviewStatus.IMPORTED else None
        imported = RegistreStatus(
            **about, status=status, reason=preview.reason, import_id=import_id
        )
        return _answer(request, imported, preview.finished_at or request.created_at)
    found = preview.found or {}
    changes = found.get("comparison") or {}
    counts = {
        name: changes.get(name, 0)
        for name in ("inscriptions", "radiations", "changements", "doubts")
    }
    counts |= {name: found.get(name, 0) for name in ("lines_read", "lines_rejected", "mouvements")}
    files = found.get("files", {"count": 0, "used": ()})
    previewed = RegistreStatus(
        **about,
        **counts,
        status=PreviewStatus.TO_MATCH
        if "matching" in found
        else PreviewStatus.READY
        if found
        else status,
        reason="" if found else preview.reason,
        listes=found.get("listes", ()),
        kept=[it["liste"] for it in found.get("kept", ())],
        questions=found.get("questions", ()),
        recalled=files["count"],
        is_reason_wanted=bool(files["used"]),
    )
    return _answer(request, previewed, request.created_at)


def _about_request(request: Request) -> dict[str, Any]:
    return {
        "request": _reference(request),
        "request_id": request.id,
        "commune": request.code_commune or None,
    }


def deadline_event(code_commune: str, day: date, deadline: Deadline) -> CloudEvent:
    """Return the event of a deadline of which a commune is reminded on a day."""
    fields = {
        name: getattr(deadline, name) for name in EcheanceNear.model_fields if name != "commune"
    }
    data = EcheanceNear(commune=code_commune, **fields)
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


def _reference(request: Request) -> AnsweredRequest:
    return AnsweredRequest(source=request.source, id=request.event_id)


def _about(request: Request, export: Export) -> dict[str, Any]:
    return expected_fields(export, export.id) | {
        "request": _reference(request),
        "commune": export.code_commune,
    }


def _answer(request: Request, data: Data, time: datetime, part: object = "") -> CloudEvent:
    return CloudEvent(
        id=name_event(request.source, request.event_id, part, data.EVENT_TYPE, time),
        source=SOURCE,
        type=data.EVENT_TYPE,
        time=time,
        correlationid=request.correlation_id,
        causationid=request.event_id,
        traceparent=request.traceparent or None,
        tracestate=request.tracestate or None,
        data=data.model_dump(mode="json", exclude_none=True),
    )
