"""Turns an event into rows, once, and enqueues each row."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.logs import request_keys
from schemas.envelope import CloudEvent, trace_id_of
from schemas.faults import Fault, join_faults
from schemas.requests import CodeCommune, RequestedBy
from schemas.topology import (
    REQUEST_CANCEL,
    REQUEST_DECLARATION,
    REQUEST_LISTE_EXPORT,
    REQUEST_REGISTRE_CORRECTION,
    REQUEST_REGISTRE_IMPORT,
    REQUEST_REGISTRE_PREVIEW,
    REQUEST_RETRY,
    REQUEST_TABLEAUX_RENDER,
    SCREEN_ACCOUNT,
    SCREEN_NOTE,
)
from schemas.vocabulary import ExportKind, RequestOutcome
from worker.access.authorization import Authorization, kind_of
from worker.db.types import seconds_between, utc_now
from worker.deferred import (
    AT_ONCE,
    CHECK_SECONDS,
    CHECKS,
    KEPT_SECONDS,
    Arrival,
    DeferredEvent,
    count_waiting,
    defer,
    discard,
    hash_payload,
    read_deferred,
    read_known,
    read_waiting,
    request_key,
)
from worker.doorbell import Doorbell
from worker.errors import NotKnownYetError, RefusedError
from worker.exports.lease import new_owner
from worker.exports.models import KEY_REUSED, UNREADABLE, WITHOUT_KEY, Export, Request
from worker.exports.records import add_exports
from worker.handlers.declarations.declare import read_declaration
from worker.handlers.declarations.file_notes import Declaration, read_screen_note
from worker.handlers.requests.export_plan import (
    Cancellation,
    CopiePlan,
    ExportPlan,
    plan_listes,
    plan_retry,
    plan_tableaux,
    read_cancellation,
)
from worker.handlers.requests.registre_requests import (
    ImportOrder,
    PreviewOrder,
    read_correction_order,
    read_import_order,
    read_preview_order,
)
from worker.services import Services
from worker.work.queue import (
    About,
    NewWork,
    WorkKind,
    add,
    claim_enqueued,
    release,
    subject_of,
    take_back_enqueued,
)

log = structlog.get_logger()

_Import = PreviewOrder | ImportOrder
_IN_TURN = ExportPlan | _Import
Read = _IN_TURN | Cancellation | Declaration
"""A request that can be fulfilled."""

Result = TypeVar("Result")

QUOTA = "quota"
"""The code of the refusal of a request when too many requests wait."""

MOST_WAITING, MOST_SECONDS_A_MINUTE, MOST_SECONDS_OF_ACCOUNT = 20, 30, 10
"""What a share may have in the lane of clerks: requests that wait, and seconds of work for its files."""

MOST_TABLEAUX = 2_000
"""Tableaux of a commune in thirty days: a declaration compares all of them with what it changes."""

_ATTEMPTS = 20
"""Tries of a transaction: each time one of the processes that insert the same keys or file names succeeds."""
_WHATEVER_IS_KNOWN = frozenset(
    {
        UNREADABLE,
        "demande_invalide",
        "type_inconnu",
        "expediteur_inconnu",
        "compte_non_autorise",
        "acte_non_autorise",
    }
)
"""The codes of refusals that no other event could have changed."""

_READERS: dict[str, Callable[[CloudEvent, Services, Authorization], Read]] = {
    REQUEST_LISTE_EXPORT: plan_listes,
    REQUEST_TABLEAUX_RENDER: plan_tableaux,
    REQUEST_RETRY: plan_retry,
    REQUEST_CANCEL: read_cancellation,
    REQUEST_DECLARATION: read_declaration,
    SCREEN_NOTE: read_screen_note,
    REQUEST_REGISTRE_PREVIEW: read_preview_order,
    REQUEST_REGISTRE_CORRECTION: read_correction_order,
    REQUEST_REGISTRE_IMPORT: read_import_order,
}


def ingest_request(
    event: CloudEvent, services: Services, *, sender: str = "", faults: Sequence[Fault] = ()
) -> None:
    """Record a request and one row per file; a copy of the event finds these rows and changes nothing.

    A request that cannot be fulfilled is recorded as refused, with the reason. One that names something unknown is
    deferred. `sender` is the account of the broker that published the event; empty when the broker does not state it.

    An event with `faults` is malformed: it is refused, and does not occupy its id. The sender may correct it and send
    it under the same id.
    """
    arrival = Arrival(event, sender)
    if not faults:
        _ingest(arrival, services)
        return
    refusal = RefusedError(
        f"Événement illisible : {join_faults(faults)}.", code=UNREADABLE, faults=faults
    )
    with structlog.contextvars.bound_contextvars(**_keys(event)):
        _record(arrival, services, refusal)


def _keys(event: CloudEvent) -> dict[str, str]:
    return request_keys(event.correlationid, trace_id_of(event.traceparent))


def check_deferred(deferred_id: int, services: Services) -> None:
    """Check whether what a deferred event names is known now; at the last check, refuse the event if it is not."""
    with services.engine.begin() as connection:
        seconds = services.lease_seconds
        work = claim_enqueued(
            connection, Doorbell(deferred_id, WorkKind.DEFERRED), new_owner(), lease_seconds=seconds
        )
        if work is None:
            return
        is_last = work.starts >= CHECKS
        found = read_deferred(connection, DeferredEvent.id == work.subject_id, is_last=is_last)
    for arrival in found:
        _ingest(arrival, services)
    with services.engine.begin() as connection:
        release(connection, work, KEPT_SECONDS if is_last else CHECK_SECONDS)


def _ingest(arrival: Arrival, services: Services) -> None:
    arrivals, doorbells, left = [arrival], list[Doorbell](), AT_ONCE
    try:
        while arrivals:
            arrival = arrivals.pop()
            with structlog.contextvars.bound_contextvars(**_keys(arrival.event)):
                made_known, waiting = _serve(arrival, services)
            doorbells += waiting
            if made_known:
                found = read_known(services.engine, made_known, left)
                arrivals += found
                left -= len(found)
    finally:
        _enqueue(doorbells, services)


def _enqueue(doorbells: Sequence[Doorbell], services: Services) -> None:
    if not doorbells:
        return
    try:
        services.enqueue(doorbells)
    except Exception as error:  # noqa: BLE001 — whatever the broker's error, the sweep enqueues again
        log.warning("doorbells_not_enqueued", exports=len(doorbells), error=type(error).__name__)
        take_back_enqueued(services.engine, doorbells)


def _serve(arrival: Arrival, services: Services) -> tuple[Sequence[str], Sequence[Doorbell]]:
    """Record or defer one event; return the keys whose deferred events may continue, and the rows to enqueue.

    A duplicate also releases the events that wait for it, in case the first handler died before doing so.
    """
    event, authorization = arrival.event, Authorization(arrival.sender, services, arrival.event)
    made_known = [request_key(event.source, event.id)]
    try:
        while True:
            try:
                answer = _read(arrival, services, authorization)
                doorbells = _record(arrival, services, answer)
                break
            except NotKnownYetError as unknown:
                if arrival.is_last:
                    raise
                if not _defer(arrival, services, unknown):
                    return (), ()
                # The missing row may have been committed just before the deferred event was: read again.
    except RefusedError as refusal:
        return made_known, _refuse(arrival, services, refusal)
    if isinstance(answer, ExportPlan):
        for doorbell in doorbells:
            log.info("export_queued", export_id=doorbell.row_id, commune=answer.commune)
    if isinstance(answer, Declaration):
        made_known += answer.makes_known()
    return made_known, doorbells


def _take_turn(
    connection: Connection, request: Request, read: ExportPlan | _Import, services: Services
) -> None:
    """Give the request its lane and its turn: after the last one of its share, and not before the first of its lane.

    The share is the tenant of fair queueing: an account, apart from its batches; a commune for imports, and for the
    screen, since all agents send by its account. A share that asks for much goes from the lane of clerks to the other.
    """
    share, whose, limit = f"\n{read.commune}", "d'import de cette commune", services.quota
    lanes: Sequence[bool] = [False]
    if isinstance(read, ExportPlan):
        _refuse_many_tableaux(connection, read)
        is_screen, whose = request.sender == SCREEN_ACCOUNT, "de ce compte"
        share = (
            request.sender
            if read.is_bulk
            else f"{request.sender}\n{read.commune if is_screen else ''}"
        )
        most_seconds = MOST_SECONDS_A_MINUTE if is_screen else MOST_SECONDS_OF_ACCOUNT
        lanes = (
            [True] if read.is_bulk or _is_busy(connection, share, most_seconds) else [False, True]
        )
        limit = services.quota if is_screen else services.quota_bulk
    waits = Request.completed_at.is_(None)
    for is_bulk in lanes:
        in_lane = select(func.min(Request.turn)).where(Request.is_bulk.is_(is_bulk), waits)
        own = select(Request.turn).where(
            Request.share == share, Request.is_bulk.is_(is_bulk), waits
        )
        newest = own.order_by(Request.turn.desc()).limit(MOST_WAITING).subquery().c.turn
        found = select(in_lane.scalar_subquery(), func.max(newest), func.count(newest))
        first, last, number = connection.execute(found).one()
        waiting = 0 if last is None else max(last + 1 - (first or 0), 0)
        request.share, request.is_bulk, request.turn = share, is_bulk, (first or 0) + waiting
        if number < MOST_WAITING:
            break
    if waiting >= limit:
        raise _too_many(
            f"de demandes {whose} attendent déjà", limit, "celle-ci dans dix minutes", read.commune
        )


def _refuse_many_tableaux(connection: Connection, plan: ExportPlan) -> None:
    asked = sum(file.get("kind") == ExportKind.TABLEAU for file in plan.files)
    is_one = Export.code_commune == plan.commune, Export.kind == ExportKind.TABLEAU
    recent = select(func.count()).where(*is_one, Export.created_at > utc_now(-30 * 86_400))
    if asked and asked + (connection.scalar(recent) or 0) > MOST_TABLEAUX:
        what = "de tableaux de cette commune en trente jours"
        raise _too_many(what, MOST_TABLEAUX, "cette demande demain", plan.commune)


def _too_many(what: str, most: int, again: str, commune: str = "") -> RefusedError:
    reason = f"Trop {what} ({most} au plus) : renvoyez {again}, avec un « id » nouveau."
    return RefusedError(reason, code=QUOTA, commune=commune)


def _is_busy(connection: Connection, share: str, most_seconds: float) -> bool:
    seconds = func.sum(seconds_between(Export.started_at, Export.finished_at))
    made = (
        select(seconds)
        .join_from(Export, Request)
        .where(Export.finished_at > utc_now(-60), Request.share == share)
    )
    return (connection.scalar(made) or 0) > most_seconds


def _refuse(arrival: Arrival, services: Services, refusal: RefusedError) -> Sequence[Doorbell]:
    try:
        return _record(arrival, services, refusal)
    except RefusedError as of_its_key:
        return _record(arrival, services, of_its_key)


def _read(arrival: Arrival, services: Services, authorization: Authorization) -> Read:
    event = arrival.event
    reader = _READERS.get(event.type)
    if reader is None:
        raise RefusedError(
            "Type de demande inconnu : vérifiez l'attribut « type » de l'événement.",
            code="type_inconnu",
            field="type",
        )
    try:
        answer = reader(event, services, authorization)
    except NotKnownYetError:
        # The cancellation of a whole request: its account may have sent the request without an answer yet.
        is_whole = event.type == REQUEST_CANCEL and not event.data.get("exports")
        if not (arrival.is_last and is_whole):
            raise
        answer = Cancellation("", event.data["requested_by"], None, ())
    principal = authorization.principal(answer.commune, answer.requested_by)
    if isinstance(answer, ExportPlan):
        return replace(answer, requested_by=principal)
    return replace(answer, requested_by=principal, account=authorization.account)


def _record(
    arrival: Arrival, services: Services, answer: Read | RefusedError
) -> Sequence[Doorbell]:
    """Write the rows and return the messages to enqueue; none when the event is a copy.

    Raises:
        RefusedError: nothing is left to cancel, or a declaration is not possible. Nothing was written.
    """

    def record(session: Session) -> Sequence[Doorbell]:
        waiting = read_waiting(session.connection(), arrival)
        if _is_copy(session, arrival, answer, waiting):
            if discard(session.connection(), arrival) and isinstance(answer, Cancellation):
                with suppress(RefusedError):  # its request has arrived, and is refused or done
                    return _cancel(session.connection(), answer)
            return ()
        is_early = isinstance(answer, Cancellation) and answer.request_id is None
        if waiting and not _takes_no_key(answer) and not is_early:
            discard(session.connection(), arrival)
        now = session.scalars(select(utc_now())).one()
        request = _request(
            arrival, Authorization(arrival.sender, services, arrival.event), now, answer
        )
        if isinstance(answer, _IN_TURN):
            _take_turn(session.connection(), request, answer, services)
        session.add(request)
        session.flush()
        reply = _reply(request)
        add(session.connection(), [reply])
        if request.completed_at is not None and request.notified_at is None:
            add(session.connection(), [reply._replace(kind=WorkKind.RECIPIENTS)])
        if request.is_progress_wanted:
            add(session.connection(), [reply._replace(kind=WorkKind.PROGRESS, lane=1)], seconds=1)
        return _apply(session, request, answer, services)

    return _commit(services, record)


def _defer(arrival: Arrival, services: Services, unknown: NotKnownYetError) -> bool:
    """Store an event until what it names is known; return False when it is stored, or is a copy of a recorded one."""

    def defer_unless_known(session: Session) -> bool:
        waiting = read_waiting(session.connection(), arrival)
        if _is_copy(session, arrival, unknown, waiting):
            return False
        if not waiting and count_waiting(session.connection(), arrival.sender) >= services.quota:
            what = "d'événements de ce compte attendent déjà ce qu'ils nomment"
            raise _too_many(what, services.quota, "celui-ci dans dix minutes")
        return defer(session.connection(), arrival, unknown.waits_for)

    is_deferred = _commit(services, defer_unless_known)
    if is_deferred:
        log.info("event_deferred")
    return is_deferred


def _commit(services: Services, work: Callable[[Session], Result]) -> Result:
    """Run the work in one transaction; repeat it when another worker inserted the same keys or names meanwhile."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(IntegrityError), Session(services.engine) as session, session.begin():
            return work(session)
    with Session(services.engine) as session, session.begin():
        return work(session)


def _is_copy(session: Session, arrival: Arrival, answer: Read | RefusedError, waiting: str) -> bool:
    """Return whether this event is recorded, by its account, source, id and contents; if so, reply to it again.

    `waiting`: the hash of the payload that is deferred under its key.

    Raises:
        RefusedError: the key belongs to another event, recorded or deferred, and `answer` is not that refusal yet.
    """
    event, hashed = arrival.event, hash_payload(arrival.event)
    mine = (
        Request.sender == arrival.sender,
        Request.source == event.source,
        Request.event_id == event.id,
    )
    known = {
        row.payload_hash: row.code
        for row in session.execute(select(Request.payload_hash, Request.code).where(*mine))
    }
    if hashed in known:
        for row in session.scalars(select(Request).where(*mine, Request.payload_hash == hashed)):
            add(session.connection(), [_reply(row)], again=True)
        log.info("event_copy")
        return True
    is_taken = not WITHOUT_KEY.issuperset(known.values()) or waiting not in {"", hashed}
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


def _request(
    arrival: Arrival, authorization: Authorization, now: datetime, answer: Read | RefusedError
) -> Request:
    event = arrival.event
    request = Request(
        source=event.source,
        event_id=event.id,
        event_type=event.type,
        correlation_id=event.correlationid,
        traceparent=event.traceparent or "",
        tracestate=event.tracestate or "",
        sender=authorization.sender,
        payload_hash=hash_payload(event),
        created_at=now,
    )
    request.kind = kind_of(event)
    if isinstance(answer, RefusedError):
        request.outcome, request.reason, request.code = (
            RequestOutcome.REFUSED,
            str(answer),
            answer.code,
        )
        request.completed_at = now
        request.is_bulk = (
            answer.code in _WHATEVER_IS_KNOWN
        )  # thousands of them must not delay the others
        if request.event_type in {REQUEST_DECLARATION, SCREEN_NOTE} or answer.code == UNREADABLE:
            request.notified_at = now  # no mail: the screen shows it, in the view `demandes`
        request.faults = [fault._asdict() for fault in answer.faults]
        commune = _readable(
            event, "commune", CodeCommune
        )  # its agents are notified, if the sender may ask for it
        request.code_commune = answer.commune or (
            commune if commune and authorization.allows(commune) else ""
        )
        said = _readable(event, "requested_by", RequestedBy)
        request.requested_by = authorization.principal(request.code_commune, said)
    else:
        request.code_commune, request.requested_by = answer.commune, answer.requested_by
        if (
            isinstance(answer, ExportPlan)
            and not answer.is_bulk
            and event.data.get("progress") is True
        ):
            request.is_progress_wanted = True
    return request


def _reply(request: Request) -> NewWork:
    subject = subject_of(About.REQUEST, request.id)
    return NewWork(WorkKind.REPLY, subject, "", int(request.is_bulk), request.turn or 0)


def _readable(event: CloudEvent, field: str, kind: Any) -> str:  # noqa: ANN401 — an annotated type
    try:
        value: str = TypeAdapter(kind).validate_python(event.data.get(field))
    except ValidationError:
        return ""
    return value


def _apply(
    session: Session, request: Request, answer: Read | RefusedError, services: Services
) -> Sequence[Doorbell]:
    match answer:
        case ExportPlan():
            files = (
                answer.record(session.connection(), request)
                if isinstance(answer, CopiePlan)
                else answer.files
            )
            exports = add_exports(
                session, request, files, services.profiles.of(answer.commune).file_name
            )
            return [Doorbell(export.id, export.kind, export.is_bulk) for export in exports]
        case Cancellation():
            request.completed_at = request.notified_at = (
                request.created_at
            )  # the other request's mail has it
            return _cancel(session.connection(), answer)
        case Declaration():
            request.completed_at = request.notified_at = (
                request.created_at
            )  # no notification: the sender knows it
            answer.apply(session.connection(), request.created_at)
            log.info("declaration_recorded", exports=len(answer.files), commune=answer.commune)
            return list(answer.doorbells())
        case PreviewOrder() | ImportOrder():
            log.info("registre_request_recorded", commune=answer.commune)
            return [answer.apply(session, request)]
        case RefusedError():
            log.info("request_refused")
    return []


def _cancel(connection: Connection, answer: Cancellation) -> Sequence[Doorbell]:
    cancelled, previews = answer.apply(connection)
    log.info("exports_cancelled", exports=cancelled, commune=answer.commune)
    return [Doorbell(preview_id, WorkKind.PREVIEW) for preview_id in previews]
