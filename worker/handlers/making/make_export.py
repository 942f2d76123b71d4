"""Processes the message of an export: claims a file, makes it, and records the result."""

from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, joinedload

from common.logs import request_keys
from schemas.envelope import trace_id_of
from schemas.vocabulary import ExportKind, ExportStatus
from worker.doorbell import Doorbell
from worker.error_policy import UNKNOWN, conclude, lacks_descriptors
from worker.errors import (
    DatabaseAwayError,
    ExhaustedError,
    ExportError,
    LeaseLostError,
    PrefectureError,
    TransientError,
)
from worker.exports.lease import Heartbeat, give_back, new_owner
from worker.exports.models import Export
from worker.exports.records import claim_file, give_up, is_overdue, mark_failed, release, renew
from worker.handlers.making.make_certificat import keep_certificat
from worker.handlers.making.make_liste import keep_fingerprint, make_liste
from worker.handlers.making.make_tableau import make_tableau
from worker.services import Services
from worker.work.models import FILES
from worker.work.queue import Claim, wake

log = structlog.get_logger()

WOKEN_TOGETHER = 500
"""Rows that one finished file makes due; the next file makes as many due."""

_MAKERS = {ExportKind.LISTE: make_liste, ExportKind.TABLEAU: make_tableau}


def make_export(export_id: int, services: Services) -> None:
    """Make one file of the queue of this message; for a copy of the message the file is claimed or done.

    The message of a ready file asks for the fingerprint of a list that was deposited since, or for the certificate of a
    tableau that was published.

    Raises:
        Exception: the database is away, or this process lacks resources; the broker must deliver the message again.
    """
    owner = new_owner()
    with services.engine.begin() as connection:
        enqueued = _read(connection, export_id)
        if enqueued is None:
            log.warning("export_unknown", export_id=export_id)
            return
        _bind_log(enqueued)
        taken = None if enqueued.status == ExportStatus.READY else _take(connection, enqueued, owner, services)
    if enqueued.status == ExportStatus.READY:
        keep_fingerprint(services.engine, services.storage, enqueued)
        keep_certificat(services.engine, services.registre, services.storage, enqueued)
        with services.engine.begin() as connection:
            taken = _take(connection, enqueued, owner, services)
    if taken is None:
        return
    export, claim = taken
    _bind_log(export)
    log.info("export_started", attempt=claim.starts)
    try:
        _work(export, claim, services)
    except LeaseLostError:
        log.warning("lease_lost")


def _work(export: Export, claim: Claim, services: Services) -> None:
    try:
        keep = partial(renew, services.engine, claim, services.lease_seconds)
        still = TransientError("La production n'avançait plus : prévenez l'exploitant.")
        leave = partial(_give_back, export, claim, still, services)
        with Heartbeat(keep, services.lease_seconds, leave, services.stuck) as heartbeat:
            _MAKERS[ExportKind(export.kind)](export, claim, heartbeat, services)
        log.info("export_ready")
    except LeaseLostError:
        raise
    except Exception as error:
        reason = _judge(error, services)
        _give_back(export, claim, reason, services)
        if isinstance(reason, DatabaseAwayError | ExhaustedError):
            raise reason from error  # the broker delivers the message again, to a capable process
    else:
        _wake(services)


def _wake(services: Services) -> None:
    """Make rows due that wait because of the errors of `services.met`, since a file was just made without them."""
    if errors := frozenset(services.met):
        services.met.clear()
        try:
            with services.engine.begin() as connection:
                is_over = wake(connection, FILES, errors, WOKEN_TOGETHER) < WOKEN_TOGETHER
        except SQLAlchemyError as error:
            log.warning("rows_not_woken", error=type(error).__name__)
            is_over = False
        if not is_over:
            services.met.update(errors)


def _judge(error: Exception, services: Services) -> PrefectureError:
    """Choose the error to record on the row; a bug must neither stop the worker nor lose the row.

    In a process that lacks memory or descriptors no error counts against the file: libraries raise errors of their own
    when they cannot read, and a module whose import failed is half initialised.
    """
    reason = conclude(error)
    if not isinstance(reason, TransientError) and (services.exhausted.is_set() or lacks_descriptors()):
        reason = conclude(MemoryError())
    if isinstance(reason, ExhaustedError):
        services.exhausted.set()
    if isinstance(reason, ExportError):
        log.warning("export_failed", code=reason.code)
    elif isinstance(reason, TransientError):
        log.warning("export_delayed", code=reason.code, error=type(error).__name__)
    else:
        log.error("export_crashed", exc_info=error)
        return UNKNOWN.to_error()
    return reason


def _give_back(export: Export, claim: Claim, reason: PrefectureError, services: Services) -> None:
    give_back(partial(_end, export, claim, reason, services))


def _end(export: Export, claim: Claim, reason: PrefectureError, services: Services) -> None:
    if isinstance(reason, ExportError) or is_overdue(export, claim, reason, services.retry_seconds):
        mark_failed(services.engine, claim, reason)
    else:
        release(services.engine, export, claim, reason, counts=not isinstance(reason, TransientError))
        if isinstance(reason, TransientError):
            services.met.add(str(reason))


def _take(connection: Connection, enqueued: Export, owner: str, services: Services) -> tuple[Export, Claim] | None:
    """Claim a file for this message; return it with its work, or None when no file of the queue is due."""
    message = Doorbell(enqueued.id, enqueued.kind, enqueued.is_bulk)
    claim = claim_file(connection, message, owner, lease_seconds=services.lease_seconds)
    if claim is None:
        return None
    if claim.starts > services.max_attempts:
        give_up(connection, claim, services.max_attempts)
        return None
    export = enqueued if claim.subject_id == enqueued.id else _read(connection, claim.subject_id)
    return (export, claim) if export else None


def _bind_log(export: Export) -> None:
    """Bind the keys until the next message: Dramatiq's own lines about this one follow."""
    structlog.contextvars.bind_contextvars(
        export_id=export.id,
        commune=export.code_commune,
        **request_keys(export.request.correlation_id, trace_id_of(export.request.traceparent)),
    )


def _read(connection: Connection, export_id: int) -> Export | None:
    with Session(connection) as session:
        return session.get(Export, export_id, options=[joinedload(Export.request)])
