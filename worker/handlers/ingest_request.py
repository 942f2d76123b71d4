"""An event arrives: it becomes rows, once, and the doorbell of each row rings."""

import contextlib
from datetime import datetime
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from schemas.requests import CodeCommune, RequestedBy
from schemas.topology import REQUEST_LISTE_EXPORT, REQUEST_TABLEAUX_RENDER
from schemas.vocabulary import RequestOutcome
from worker.bell import Bell
from worker.db.notify import notify_ready
from worker.db.types import utc_now
from worker.errors import RefusedError
from worker.exports.models import Export, Request
from worker.exports.naming import allocate_name
from worker.handlers.services import Services
from worker.handlers.want_listes import want_listes
from worker.handlers.want_tableaux import want_tableaux
from worker.handlers.wanted import Wanted

log = structlog.get_logger()

_ATTEMPTS = 5
_READERS = {REQUEST_LISTE_EXPORT: want_listes, REQUEST_TABLEAUX_RENDER: want_tableaux}


def ingest_request(event: CloudEvent, services: Services) -> None:
    """Record a request and one row per file it asks for; a copy of the event finds them and stops.

    A request that cannot be served is recorded as refused, with the reason, and is not tried again.
    """
    try:
        wanted = _read(event, services)
    except RefusedError as refusal:
        _record(event, services, refusal)
        return
    for bell in (bells := _record(event, services, wanted)):
        log.info("export_queued", export_id=bell.export_id, commune=wanted.commune)
    if bells:
        try:
            services.ring(bells)
        except Exception as error:  # noqa: BLE001 — whatever the broker's trouble, the sweep rings again
            log.warning("doorbell_not_rung", exports=len(bells), error=type(error).__name__)


def _read(event: CloudEvent, services: Services) -> Wanted:
    reader = _READERS.get(event.type)
    if reader is None:
        raise RefusedError("Type de demande inconnu : vérifiez l'attribut « type » de l'événement.")
    return reader(event, services)


def _record(event: CloudEvent, services: Services, wanted: Wanted | RefusedError) -> list[Bell]:
    """Write the rows; the doorbells of the new exports, none when the event is a copy."""
    for attempt in range(_ATTEMPTS):
        try:
            with Session(services.engine) as session, session.begin():
                if _is_known(session, event):
                    log.info("event_copy", correlation_id=event.correlationid)
                    return []
                now = session.scalars(select(utc_now())).one()
                if isinstance(wanted, RefusedError):
                    session.add(_refused(event, now, wanted))
                    notify_ready(session.connection())
                    return []
                request = _request(event, now, code_commune=wanted.commune, requested_by=wanted.requested_by)
                session.add(request)
                session.flush()
                _add_exports(session, request, wanted)
                return [Bell.of(export.id, export.kind) for export in request.exports]
        except IntegrityError:  # another worker took the same event or the same name at the same time
            if attempt == _ATTEMPTS - 1:
                raise
    return []


def _is_known(session: Session, event: CloudEvent) -> bool:
    known = select(Request.id).where(Request.source == event.source, Request.event_id == event.id)
    return session.scalar(known) is not None


def _refused(event: CloudEvent, now: datetime, refusal: RefusedError) -> Request:
    log.info("request_refused", correlation_id=event.correlationid)
    return _request(event, now, outcome=RequestOutcome.REFUSED, reason=str(refusal), **_readable(event))


def _readable(event: CloudEvent) -> dict[str, str]:
    """What of a refused request can be relied upon: the commune, so that its agents are told, and who asked."""
    fields = {}
    for column, field, kind in (
        ("code_commune", "commune", CodeCommune),
        ("requested_by", "requested_by", RequestedBy),
    ):
        with contextlib.suppress(ValidationError):
            fields[column] = TypeAdapter(kind).validate_python(event.data.get(field))
    return fields


def _request(event: CloudEvent, now: datetime, **fields: Any) -> Request:  # noqa: ANN401 — columns
    return Request(
        source=event.source,
        event_id=event.id,
        event_type=event.type,
        correlation_id=event.correlationid,
        created_at=now,
        **fields,
    )


def _add_exports(session: Session, request: Request, wanted: Wanted) -> None:
    for file in wanted.files:
        name, label = allocate_name(session, file.naming, request.created_at)
        request.exports.append(
            Export(
                part=file.part,
                code_commune=wanted.commune,
                file_name=name,
                label=label,
                rung_at=request.created_at,
                **file.columns,
            )
        )
        session.flush()
