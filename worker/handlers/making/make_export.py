"""Makes the file of a claimed work, and records the result."""

import time
from functools import partial

import structlog
from sqlalchemy import Connection, update
from sqlalchemy.orm import Session, joinedload

from common.logs import request_keys
from schemas.envelope import trace_id_of
from schemas.vocabulary import CopieFile, ExportKind
from worker.error_policy import UNKNOWN, conclude, lacks_descriptors
from worker.errors import (
    DatabaseAwayError,
    ExhaustedError,
    ExportError,
    LeaseLostError,
    PrefectureError,
    TransientError,
)
from worker.exports.lease import Heartbeat, repeat_until_recorded
from worker.exports.models import Export
from worker.exports.records import begin, give_up, is_overdue, mark_failed, release
from worker.handlers.making.make_copie import make_copie
from worker.handlers.making.make_liste import make_liste
from worker.handlers.making.make_tableau import make_tableau
from worker.services import Services
from worker.work.queue import Claim, bury, finish, renew

TROUBLE_SECONDS = 0.5
"""The pause of a process after a file that met a full or absent volume: the next file would meet it too."""

_MAKERS = {ExportKind.LISTE: make_liste, ExportKind.TABLEAU: make_tableau}

log = structlog.get_logger()


def begin_file(connection: Connection, claim: Claim, services: Services) -> Export | None:
    """Mark the file of a claimed work as running and return its row.

    Return None if the file has ended already, or has killed its processes too often: it fails then.
    """
    if not begin(connection, claim):
        finish(connection, [claim])
        return None
    if claim.starts > services.most_starts:
        give_up(connection, claim, services.most_starts)
        return None
    return _read_export(connection, claim)


def begin_piece(connection: Connection, claim: Claim, services: Services) -> Export | None:
    """Return the export of a claimed work on a file that is ready: its fingerprint, its certificate.

    Return None if the work has killed its processes too often: it is buried.
    """
    if claim.starts > services.most_starts:
        bury(connection, claim, f"arrêté {services.most_starts} fois avant la fin")
        log.warning(
            "work_given_up", kind=claim.kind, subject=claim.subject, attempts=services.most_starts
        )
        return None
    return _read_export(connection, claim)


def _read_export(connection: Connection, claim: Claim) -> Export | None:
    """Return the export of a work, with its request; bind the keys of the log lines that follow."""
    with Session(connection) as session:
        options = [joinedload(Export.request)]
        export = session.get(Export, claim.subject_id, options=options)
    if export is None:
        log.warning("export_unknown", export_id=claim.subject_id)
        finish(connection, [claim])
        return None
    request = export.request
    structlog.contextvars.bind_contextvars(
        export_id=export.id,
        commune=export.code_commune,
        **request_keys(request.correlation_id, trace_id_of(request.traceparent)),
    )
    return export


def make_file(export: Export, claim: Claim, services: Services) -> None:
    """Make a list, a tableau or a copy, and record it; record an error on its row.

    Raises:
        LeaseLostError: another worker holds the work; no file was published.
        DatabaseAwayError, ExhaustedError: the work is released, for a process that can do it.
    """
    log.info("export_started", attempt=claim.starts)

    def keep(lines_written: int) -> bool:
        with services.engine.begin() as connection:
            if not renew(connection, [claim], lease_seconds=services.lease_seconds):
                return False
            written = update(Export).where(Export.id == export.id)
            connection.execute(written.values(lines_written=lines_written))
            return True

    still = TransientError("La production n'avançait plus : prévenez l'exploitant.")
    leave = partial(_record_failure, claim, still, services)
    try:
        with Heartbeat(keep, services.lease_seconds, leave, services.stuck) as heartbeat:
            is_copie = export.edition in set(CopieFile)
            make = make_copie if is_copie else _MAKERS[ExportKind(export.kind)]
            make(export, claim, heartbeat, services)
        log.info("export_ready")
    except LeaseLostError:
        raise
    except Exception as error:
        reason = _judge(error, services)
        _record_failure(claim, reason, services)
        if isinstance(reason, DatabaseAwayError | ExhaustedError):
            raise reason from error
        if isinstance(reason, TransientError):
            time.sleep(TROUBLE_SECONDS)


def _judge(error: Exception, services: Services) -> PrefectureError:
    """Choose the error to record on the row; a bug must neither stop the worker nor lose the row.

    In a process that lacks memory or descriptors no error counts against the file: libraries raise errors of their own
    when they cannot read, and a module whose import failed is half initialised.
    """
    reason = conclude(error)
    if not isinstance(reason, TransientError) and (
        services.exhausted.is_set() or lacks_descriptors()
    ):
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


def _record_failure(claim: Claim, reason: PrefectureError, services: Services) -> None:
    """Fail the file, or release it: an error of the surroundings is waited for, a bug has a few starts."""
    is_bug = not isinstance(reason, TransientError | ExportError)
    is_last = is_bug and claim.starts >= services.most_failures
    if (
        isinstance(reason, ExportError)
        or is_last
        or (not is_bug and is_overdue(claim, services.retry_seconds))
    ):
        record = partial(mark_failed, services.engine, claim, reason)
    else:
        record = partial(release, services.engine, claim, reason, counts=is_bug)
    repeat_until_recorded(record)
