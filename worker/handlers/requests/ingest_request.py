"""Turns an event into rows, once, and sends a token for each work."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.logs import request_keys
from schemas.checking import hash_payload
from schemas.envelope import CloudEvent, trace_id_of
from schemas.events import name_request
from schemas.faults import Fault, join_faults
from schemas.requests import CodeCommune, RequestedBy
from schemas.rights import kind_of
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
from schemas.vocabulary import KEY_REUSED, UNREADABLE, WITHOUT_KEY, RequestOutcome
from worker.access.authorization import Authorization
from worker.arrivals import share_of
from worker.audit import Actor
from worker.errors import RefusedError
from worker.exports.models import Request
from worker.exports.records import add_exports
from worker.handlers.declarations.declare import read_declaration
from worker.handlers.declarations.file_notes import Declaration, read_screen_note
from worker.handlers.requests.export_plan import (
    Cancellation,
    CopiePlan,
    ExportPlan,
    cancel_request,
    lock_key,
    plan_listes,
    plan_retry,
    plan_tableaux,
    read_cancellation,
    take_early_cancel,
    too_many,
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
    BATCH,
    PEOPLE,
    QUEUE_OF,
    About,
    NewWork,
    WorkKind,
    add,
    count_of_share,
    find_turn,
    subject_of,
)

log = structlog.get_logger()

_Import = PreviewOrder | ImportOrder
Read = ExportPlan | _Import | Cancellation | Declaration
"""A request that can be fulfilled."""

Result = TypeVar("Result")

_ATTEMPTS = 20
"""Tries of a transaction: each time one of the processes that insert the same file names succeeds."""

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


class ReceivedEvent(NamedTuple):
    """An event, the rights of the account that sent it, and the hash of what it says."""

    event: CloudEvent
    authorization: Authorization
    payload_hash: str


def ingest_request(
    event: CloudEvent, services: Services, *, sender: str = "", faults: Sequence[Fault] = ()
) -> None:
    """Record a request and one row per file; a copy of the event finds these rows and changes nothing.

    A request that cannot be fulfilled is recorded as refused, with the reason. `sender` is the
    account that published the event; empty in the embedded mode.

    An event with `faults` is malformed: it is refused, and does not occupy its id. The sender may correct it and send
    it under the same id.

    After the commit it sends one token for each new work. Tokens that are lost are no loss: the
    sweep sends others within a second.
    """
    received = ReceivedEvent(event, Authorization(sender, services, event), hash_payload(event))
    keys = request_keys(event.correlationid, trace_id_of(event.traceparent))
    with structlog.contextvars.bound_contextvars(**keys):
        if faults:
            said = f"Événement illisible : {join_faults(faults)}."
            _refuse(received, services, RefusedError(said, code=UNREADABLE, faults=faults))
            return
        try:
            answer = _read(received, services)
            works = _record(received, services, answer)
        except RefusedError as refusal:
            _refuse(received, services, refusal)
            return
        _send_tokens(works, services)


def _send_tokens(works: Sequence[NewWork], services: Services) -> None:
    queues = Counter(QUEUE_OF[work.kind] for work in works)
    try:
        for queue, number in queues.items():
            services.send_tokens(queue, number)
    except Exception as error:  # noqa: BLE001 — whatever the broker's error, the sweep sends others
        log.warning("tokens_not_sent", error=type(error).__name__)


def _refuse(received: ReceivedEvent, services: Services, refusal: RefusedError) -> None:
    try:
        _record(received, services, refusal)
    except RefusedError as of_its_key:
        _record(received, services, of_its_key)


def _read(received: ReceivedEvent, services: Services) -> Read:
    event, authorization, _ = received
    reader = _READERS.get(event.type)
    if reader is None:
        raise RefusedError(
            "Type de demande inconnu : vérifiez l'attribut « type » de l'événement.",
            code="type_inconnu",
            field="type",
        )
    answer = reader(event, services, authorization)
    principal = authorization.principal(answer.commune, answer.requested_by)
    if isinstance(answer, ExportPlan):
        return replace(answer, requested_by=principal)
    return replace(answer, requested_by=principal, account=authorization.account)


def _record(
    received: ReceivedEvent, services: Services, answer: Read | RefusedError
) -> Sequence[NewWork]:
    """Write the rows and return the works for workers; none when the event is a copy.

    Raises:
        RefusedError: too much waits, nothing is left to cancel, or a declaration is not possible.
            Nothing was written.
    """

    def record(session: Session) -> Sequence[NewWork]:
        connection = session.connection()
        event, sender = received.event, received.authorization.sender
        now = lock_key(connection, sender, event.source, event.id)
        if _is_copy(session, received, answer):
            return ()
        request = _request(received, now, answer)
        share = _take_turn(connection, request, answer, services)
        session.add(request)
        session.flush()
        reply = NewWork(
            WorkKind.REPLY,
            subject_of(About.REQUEST, request.id),
            lane=request.lane,
            fair_tag=request.fair_tag,
        )
        add(connection, [reply])
        if request.completed_at is not None and request.notified_at is None:
            add(connection, [reply._replace(kind=WorkKind.END)])
        works = _apply(session, request, answer, services, share)
        return [*works, *_cancel_early(session, request, answer)]

    return _commit(services, record)


def _commit(services: Services, work: Callable[[Session], Result]) -> Result:
    """Run the work in one transaction; repeat it when another worker inserted the same file names meanwhile."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(IntegrityError), Session(services.engine) as session, session.begin():
            return work(session)
    with Session(services.engine) as session, session.begin():
        return work(session)


def _is_copy(session: Session, received: ReceivedEvent, answer: Read | RefusedError) -> bool:
    """Return whether this event is recorded, by its account, source, id and contents; if so, reply to it again.

    Raises:
        RefusedError: the key belongs to another event, and `answer` is not that refusal yet.
    """
    event, hashed = received.event, received.payload_hash
    mine = (
        Request.sender == received.authorization.sender,
        Request.source == event.source,
        Request.event_id == event.id,
    )
    known = {row.payload_hash: row for row in session.scalars(select(Request).where(*mine))}
    if copied := known.get(hashed):
        reply = NewWork(
            WorkKind.REPLY, subject_of(About.REQUEST, copied.id), "", copied.lane, copied.fair_tag
        )
        add(session.connection(), [reply], again=True)
        log.info("event_copy")
        return True
    is_taken = any(row.code not in WITHOUT_KEY for row in known.values())
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


def _take_turn(
    connection: Connection, request: Request, answer: Read | RefusedError, services: Services
) -> str:
    """Give the request its lane and its fair tag; return its share.

    The share is the tenant of fair queueing: an account, or a commune where the screen asks, since
    all agents send by its account; a commune also for imports.

    Raises:
        RefusedError: too many files of the share wait.
    """
    if isinstance(answer, RefusedError):
        request.lane = BATCH  # thousands of refusals must not delay other replies
    if isinstance(answer, _Import):
        kind, share = WorkKind.PREVIEW, share_of(answer.commune)
    elif isinstance(answer, ExportPlan):
        is_screen = request.sender == SCREEN_ACCOUNT
        kind = WorkKind(answer.kind)
        share = f"{request.sender} {answer.commune}" if is_screen else request.sender
        request.lane = BATCH if answer.is_bulk else PEOPLE
    else:
        return ""
    turn = find_turn(connection, kind, request.lane, share)
    most = services.most_waiting
    # No more works can wait than there are turns before this one, and turns are found faster.
    if turn.waiting >= most and count_of_share(connection, kind, request.lane, share) >= most:
        raise too_many("de fichiers de ce compte attendent déjà", most, commune=answer.commune)
    request.fair_tag = turn.fair_tag
    return share


def _cancel_early(
    session: Session, request: Request, answer: Read | RefusedError
) -> Sequence[NewWork]:
    """Cancel what was just recorded, if its cancellation came before it; return the works to erase a preview."""
    connection, key = session.connection(), (request.sender, request.source, request.event_id)
    is_cancellable = isinstance(answer, ExportPlan | _Import)
    if _takes_no_key(answer) or (by := take_early_cancel(connection, *key)) is None:
        return ()
    if not is_cancellable:
        return ()
    session.expire(request, ["exports"])
    log.info("request_cancelled_early")
    return cancel_request(connection, request, None, Actor(by, request.sender))


IGNORED = "ignore"
"""The code of a field of an accepted request that has no effect any more."""


def _request(received: ReceivedEvent, now: datetime, answer: Read | RefusedError) -> Request:
    event, authorization, payload_hash = received
    request = Request(
        source=event.source,
        event_id=event.id,
        event_type=event.type,
        kind=kind_of(event),
        correlation_id=event.correlationid,
        traceparent=event.traceparent or "",
        tracestate=event.tracestate or "",
        sender=authorization.sender,
        payload_hash=payload_hash,
        uuid=name_request(authorization.sender, event.source, event.id, payload_hash),
        created_at=now,
        lane=PEOPLE,
        fair_tag=0,
    )
    if isinstance(answer, RefusedError):
        _note_refusal(request, event, authorization, answer)
        return request
    request.code_commune, request.requested_by = answer.commune, answer.requested_by
    if event.data.get("progress") is not None:
        said = "progress n'a plus d'effet : l'état d'une demande se lit par HTTP"
        request.faults = [Fault("data.progress", IGNORED, said)._asdict()]
    if isinstance(answer, Cancellation | Declaration):
        # no mail: the sender knows of it, and a cancelled request has a mail of its own
        request.completed_at = request.notified_at = now
    return request


def _note_refusal(
    request: Request, event: CloudEvent, authorization: Authorization, refusal: RefusedError
) -> None:
    request.outcome, request.code = RequestOutcome.REFUSED, refusal.code
    request.reason = str(refusal)
    request.faults = [fault._asdict() for fault in refusal.faults]
    request.completed_at = request.created_at
    if event.type in {REQUEST_DECLARATION, SCREEN_NOTE} or refusal.code == UNREADABLE:
        # no mail: the screen shows it, in the view `demandes`
        request.notified_at = request.created_at
    # the agents of the commune are notified, if the sender may ask for it
    commune = _readable(event, "commune", CodeCommune)
    is_allowed = bool(commune) and authorization.allows(commune)
    request.code_commune = refusal.commune or (commune if is_allowed else "")
    said = _readable(event, "requested_by", RequestedBy)
    request.requested_by = authorization.principal(request.code_commune, said)


def _readable(event: CloudEvent, field: str, kind: Any) -> str:  # noqa: ANN401 — an annotated type
    try:
        value: str = TypeAdapter(kind).validate_python(event.data.get(field))
    except ValidationError:
        return ""
    return value


def _apply(
    session: Session, request: Request, answer: Read | RefusedError, services: Services, share: str
) -> Sequence[NewWork]:
    connection = session.connection()
    match answer:
        case ExportPlan():
            files = (
                answer.record(connection, request)
                if isinstance(answer, CopiePlan)
                else answer.files
            )
            pattern = services.profiles.of(answer.commune).file_name
            works = add_exports(session, request, files, pattern, share)
            log.info("exports_queued", exports=len(works), commune=answer.commune)
            return works
        case Cancellation():
            log.info("cancellation_recorded", commune=answer.commune)
            return answer.apply(connection)
        case Declaration():
            works = [*answer.works()]
            add(
                connection, works, again=True
            )  # before the rows of files: workers lock in this order
            answer.apply(connection, request.created_at)
            log.info("declaration_recorded", exports=len(answer.files), commune=answer.commune)
            return works
        case PreviewOrder() | ImportOrder():
            log.info("registre_request_recorded", commune=answer.commune)
            return answer.apply(session, request)
        case RefusedError():
            log.info("request_refused")
    return ()
