"""An event arrives: it becomes rows, once, and the doorbell of each row rings."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from schemas.envelope import CloudEvent
from schemas.faults import Fault
from schemas.requests import CodeCommune, RequestedBy
from schemas.topology import (
    DECLARATION_TYPES,
    REQUEST_CANCEL,
    REQUEST_DEPOT_DECLARE,
    REQUEST_DEPOT_VERDICT,
    REQUEST_DOUBT_DECIDE,
    REQUEST_FILE_DOWNLOADED,
    REQUEST_LISTE_EXPORT,
    REQUEST_RETRY,
    REQUEST_TABLEAUX_RENDER,
)
from schemas.vocabulary import RequestOutcome
from worker.db.notify import notify_ready
from worker.db.types import utc_now
from worker.doorbell import Doorbell
from worker.errors import NotKnownYetError, RefusedError
from worker.exports.models import KEY_REUSED, UNREADABLE, WITHOUT_KEY, Request
from worker.exports.parked import (
    Arrival,
    begin_look,
    find_waiting,
    hash_payload,
    park,
    request_key,
    stands_for_another,
    unpark,
)
from worker.exports.records import add_export, take_back_enqueued
from worker.handlers.authorization import Authorization
from worker.handlers.cancel_request import Cancellation, read_cancellation
from worker.handlers.decide_doubt import read_decision
from worker.handlers.declarations import Declaration, read_depot, read_download, read_verdict
from worker.handlers.export_plan import ExportPlan, plan_listes, plan_retry, plan_tableaux
from worker.handlers.services import Services

log = structlog.get_logger()

Read = ExportPlan | Cancellation | Declaration
"""What a request says, once it was read and can be served."""

Result = TypeVar("Result")

_ATTEMPTS = 5
_READERS: dict[str, Callable[[CloudEvent, Services, Authorization], Read]] = {
    REQUEST_LISTE_EXPORT: plan_listes,
    REQUEST_TABLEAUX_RENDER: plan_tableaux,
    REQUEST_RETRY: plan_retry,
    REQUEST_CANCEL: read_cancellation,
    REQUEST_FILE_DOWNLOADED: read_download,
    REQUEST_DEPOT_DECLARE: read_depot,
    REQUEST_DEPOT_VERDICT: read_verdict,
    REQUEST_DOUBT_DECIDE: read_decision,
}


def ingest_request(event: CloudEvent, services: Services, *, sender: str = "") -> None:
    """Record a request and one row per file it asks for; a copy of the event finds them and stops.

    A request that cannot be served is recorded as refused, with the reason, and is not tried again; one that names what
    is not known yet is parked. `sender` is the account of the broker that published the event, in the broker's own
    word; empty when it is not known.
    """
    _ingest(Arrival(event, sender), services)


def refuse_unreadable(
    names: Mapping[str, str], faults: Sequence[Fault], services: Services, *, sender: str = ""
) -> None:
    """Record that an event was refused for its form: `names` are the attributes that it is known by, `faults` why.

    It does not take its id: put right, it may be sent under the same.
    """
    event = CloudEvent.model_validate({**names, "data": {"faults": [fault.code for fault in faults]}})
    said = " ; ".join(f"{fault.field} : {fault.message}" if fault.field else fault.message for fault in faults)
    refusal = RefusedError(f"Événement illisible : {said}.", code=UNREADABLE, faults=faults)
    with structlog.contextvars.bound_contextvars(correlation_id=event.correlationid):
        _record(Arrival(event, sender), services, refusal)


def take_up_parked(parked_id: int, services: Services) -> None:
    """Look whether what a parked event names has arrived; the last time, refuse it when it has not."""
    if arrival := begin_look(services.engine, parked_id):
        _ingest(arrival, services)


def _ingest(arrival: Arrival, services: Services) -> None:
    """Serve an event, then those that waited for it, then those that waited for these."""
    arrivals, doorbells = [arrival], list[Doorbell]()
    try:
        while arrivals:
            arrival = arrivals.pop()
            with structlog.contextvars.bound_contextvars(correlation_id=arrival.event.correlationid):
                made_known, waiting = _serve(arrival, services)
            doorbells += waiting
            if made_known:
                arrivals += find_waiting(services.engine, made_known)
    finally:
        _enqueue(doorbells, services)


def _enqueue(doorbells: Sequence[Doorbell], services: Services) -> None:
    if not doorbells:
        return
    try:
        services.enqueue(doorbells)
    except Exception as error:  # noqa: BLE001 — whatever the broker's trouble, the sweep rings again
        log.warning("doorbells_not_enqueued", exports=len(doorbells), error=type(error).__name__)
        take_back_enqueued(services.engine, doorbells)


class Served(NamedTuple):
    """What one event made known, by the keys of those that wait for it; the doorbells to ring."""

    made_known: Sequence[str]
    doorbells: Sequence[Doorbell]


def _serve(arrival: Arrival, services: Services) -> Served:
    """Record one event, or park it. A copy makes known the same: whoever read the first may have died before that."""
    event, authorization = arrival.event, Authorization(arrival.sender, services)
    made_known = [request_key(event.source, event.id)]
    try:
        while True:
            try:
                answer = _read(event, services, authorization)
                doorbells = _record(arrival, services, answer)
                break
            except NotKnownYetError as unknown:
                if arrival.is_last:
                    raise
                if not _park(arrival, services, unknown):
                    return Served((), ())
                # What it names may have been recorded just before the row was there for all to see: so look again.
    except RefusedError as refusal:
        return Served(made_known, _refuse(arrival, services, refusal))
    if isinstance(answer, ExportPlan):
        for doorbell in doorbells:
            log.info("export_queued", export_id=doorbell.export_id, commune=answer.commune)
    if isinstance(answer, Declaration):
        made_known += answer.makes_known()
    return Served(made_known, doorbells)


def _refuse(arrival: Arrival, services: Services, refusal: RefusedError) -> Sequence[Doorbell]:
    try:
        return _record(arrival, services, refusal)
    except RefusedError as of_its_key:
        return _record(arrival, services, of_its_key)


def _read(event: CloudEvent, services: Services, authorization: Authorization) -> Read:
    reader = _READERS.get(event.type)
    if reader is None:
        raise RefusedError(
            "Type de demande inconnu : vérifiez l'attribut « type » de l'événement.", code="type_inconnu", field="type"
        )
    return reader(event, services, authorization)


def _record(arrival: Arrival, services: Services, answer: Read | RefusedError) -> Sequence[Doorbell]:
    """Write the rows; the doorbells that are to ring, none when the event is a copy.

    Raises:
        RefusedError: what was to be cancelled has ended meanwhile, a declaration cannot be; nothing was written.
    """

    def record(session: Session) -> Sequence[Doorbell]:
        if _is_copy(session, arrival, answer):
            return ()
        if not _takes_no_key(answer):
            unpark(session.connection(), arrival)
        now = session.scalars(select(utc_now())).one()
        request = _request(arrival.event, Authorization(arrival.sender, services), now, answer)
        session.add(request)
        session.flush()
        notify_ready(session.connection())
        return _apply(session, request, answer)

    return _commit(services, record)


def _park(arrival: Arrival, services: Services, unknown: NotKnownYetError) -> bool:
    """Let an event wait; False when it does already, or is a copy of one that waits no more."""

    def park_unless_known(session: Session) -> bool:
        if _is_copy(session, arrival, unknown):
            return False
        return park(session.connection(), arrival, unknown.waits_for)

    is_parked = _commit(services, park_unless_known)
    if is_parked:
        log.info("event_parked")
    return is_parked


def _commit(services: Services, work: Callable[[Session], Result]) -> Result:
    """Do it in one transaction; again when another worker took the same event or the same name at the same time."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(IntegrityError), Session(services.engine) as session, session.begin():
            return work(session)
    with Session(services.engine) as session, session.begin():
        return work(session)


def _is_copy(session: Session, arrival: Arrival, answer: Read | RefusedError) -> bool:
    """Whether this event is recorded: by its account, source and id, and by what it says.

    Rows from before what was said was kept are copies of whatever has their key. A copy does not wait any more, and is
    answered again: its sender may not have had the answer.

    Raises:
        RefusedError: the key stands for another event, which is recorded or waits; the answer is not that refusal yet.
    """
    event, hashed = arrival.event, hash_payload(arrival.event)
    mine = Request.sender == arrival.sender, Request.source == event.source, Request.event_id == event.id
    known = {
        row.payload_hash: row.code for row in session.execute(select(Request.payload_hash, Request.code).where(*mine))
    }
    if hashed in known or "" in known:
        is_copied = Request.payload_hash.in_(("", hashed))
        session.execute(update(Request).where(*mine, is_copied).values(announced_at=None))
        notify_ready(session.connection())
        unpark(session.connection(), arrival)
        log.info("event_copy")
        return True
    is_taken = not WITHOUT_KEY.issuperset(known.values()) or stands_for_another(session.connection(), arrival)
    if is_taken and not _takes_no_key(answer):
        raise RefusedError(
            "Identifiant déjà employé pour une autre demande : un événement nouveau veut un « id » nouveau ; renvoyer "
            "le même se fait sans rien y changer.",
            code=KEY_REUSED,
            field="id",
        )
    return False


def _takes_no_key(answer: Read | RefusedError) -> bool:
    return isinstance(answer, RefusedError) and answer.code in WITHOUT_KEY


def _request(event: CloudEvent, authorization: Authorization, now: datetime, answer: Read | RefusedError) -> Request:
    request = Request(
        source=event.source,
        event_id=event.id,
        event_type=event.type,
        correlation_id=event.correlationid,
        sender=authorization.sender,
        payload_hash=hash_payload(event),
        created_at=now,
    )
    if isinstance(answer, RefusedError):
        log.info("request_refused")
        request.outcome, request.reason, request.code = RequestOutcome.REFUSED, str(answer), answer.code
        request.faults = [fault._asdict() for fault in answer.faults]
        request.code_commune = answer.commune or _readable_commune(event, authorization)
        request.requested_by = _readable(event, "requested_by", RequestedBy)
    else:
        request.code_commune, request.requested_by = answer.commune, answer.requested_by
    return request


def _readable_commune(event: CloudEvent, authorization: Authorization) -> str:
    """The commune that a refused request names, so that its agents are told; not those of another sender's."""
    commune = _readable(event, "commune", CodeCommune)
    return commune if commune and authorization.allows(commune) else ""


def _readable(event: CloudEvent, field: str, kind: Any) -> str:  # noqa: ANN401 — an annotated type
    """A field that can be relied upon even where the whole cannot."""
    try:
        value: str = TypeAdapter(kind).validate_python(event.data.get(field))
    except ValidationError:
        return ""
    return value


def _apply(session: Session, request: Request, answer: Read | RefusedError) -> list[Doorbell]:
    match answer:
        case ExportPlan():
            return _add_exports(session, request, answer)
        case Cancellation():
            request.told_at = request.created_at  # the mail about the cancelled request says it
            log.info("exports_cancelled", exports=answer.apply(session.connection()), commune=answer.commune)
        case Declaration():
            request.told_at = request.created_at  # whoever declares knows it
            answer.apply(session.connection(), request.created_at)
            log.info("declaration_recorded", exports=len(answer.files), commune=answer.commune)
            return list(answer.doorbells())
        case RefusedError() if request.event_type in DECLARATION_TYPES or answer.code == UNREADABLE:
            request.told_at = request.created_at  # no mail: the screen shows it, in the view `demandes`
        case RefusedError():
            pass
    return []


def _add_exports(session: Session, request: Request, plan: ExportPlan) -> list[Doorbell]:
    exports = [
        add_export(session, request, file.part, file.naming, file.columns, effective_on=file.effective_on)
        for file in plan.files
    ]
    return [Doorbell.of(export.id, export.kind, export.is_bulk) for export in exports]
