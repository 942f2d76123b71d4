"""An event arrives: it becomes rows, once, and the doorbell of each row rings."""

import contextlib
from datetime import datetime
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent, describe
from schemas.requests import CodeCommune, ListeExportRequested, RequestedBy
from schemas.vocabulary import Liste, RequestOutcome
from worker.db.notify import notify_ready
from worker.db.types import utc_now
from worker.errors import RefusedError
from worker.exports.models import Export, Request
from worker.exports.naming import allocate_name
from worker.handlers.services import Services
from worker.registre.communes import read_commune

log = structlog.get_logger()

_ATTEMPTS = 5


def ingest_request(event: CloudEvent, services: Services) -> None:
    """Record a request and one row per file it asks for; a copy of the event finds them and stops.

    A request that cannot be served is recorded as refused, with the reason, and is not tried again.
    """
    try:
        asked = _validate(event, services)
    except RefusedError as refusal:
        _record(event, services, refusal)
        return
    for export_id in (ids := _record(event, services, asked)):
        log.info("export_queued", export_id=export_id, commune=asked.commune)
    if ids:
        try:
            services.ring(ids)
        except Exception as error:  # noqa: BLE001 — whatever the broker's trouble, the sweep rings again
            log.warning("doorbell_not_rung", exports=len(ids), error=type(error).__name__)


def _validate(event: CloudEvent, services: Services) -> ListeExportRequested:
    try:
        asked = ListeExportRequested.model_validate(event.data)
    except ValidationError as error:
        raise RefusedError(f"Demande invalide : {describe(error)}.") from None
    with services.registre.connect() as connection:
        commune = read_commune(connection, asked.commune)
    if commune is None:
        raise RefusedError(f"Commune inconnue : {asked.commune}. Vérifiez le code INSEE.")
    if not commune.versions:
        raise RefusedError(f"Aucun registre importé pour {asked.commune} : importez d'abord l'export du REU.")
    if Liste.PRINCIPALE in asked.listes and Liste.PRINCIPALE not in commune.versions:
        raise RefusedError(f"Aucune liste principale importée pour {asked.commune} : importez d'abord l'export du REU.")
    return asked


def _record(event: CloudEvent, services: Services, asked: ListeExportRequested | RefusedError) -> list[int]:
    """Write the rows; the ids of the new exports, none when the event is a copy."""
    for attempt in range(_ATTEMPTS):
        try:
            with Session(services.engine) as session, session.begin():
                if _is_known(session, event):
                    log.info("event_copy", correlation_id=event.correlationid)
                    return []
                now = session.scalars(select(utc_now())).one()
                request = (
                    _refused(event, now, asked) if isinstance(asked, RefusedError) else _accepted(event, now, asked)
                )
                session.add(request)
                session.flush()
                if isinstance(asked, ListeExportRequested):
                    _add_exports(session, request, asked)
                else:
                    notify_ready(session.connection())
                session.flush()
                return [export.id for export in request.exports]
        except IntegrityError:  # another worker took the same event or the same name at the same time
            if attempt == _ATTEMPTS - 1:
                raise
    return []


def _is_known(session: Session, event: CloudEvent) -> bool:
    known = select(Request.id).where(Request.source == event.source, Request.event_id == event.id)
    return session.scalar(known) is not None


def _accepted(event: CloudEvent, now: datetime, asked: ListeExportRequested) -> Request:
    return _request(event, now, code_commune=asked.commune, requested_by=asked.requested_by)


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


def _add_exports(session: Session, request: Request, asked: ListeExportRequested) -> None:
    for liste, format_ in asked.parts():
        name, label = allocate_name(session, asked.commune, liste, format_, request.created_at)
        request.exports.append(
            Export(
                part=f"{liste}.{format_}",
                code_commune=asked.commune,
                liste=liste,
                format=format_,
                file_name=name,
                label=label,
                rung_at=request.created_at,
            )
        )
        session.flush()
