"""A doorbell rings for a row: the row is taken, its file made, and how that ended is recorded."""

from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, joinedload

from schemas.vocabulary import ExportKind, ExportStatus
from worker.errors import ExportError, LeaseLostError, PrefectureError, TransientError
from worker.exports.lease import Heartbeat, new_owner
from worker.exports.models import Export
from worker.exports.records import claim, is_overdue, mark_failed, release, renew
from worker.handlers.compare_depot import keep_fingerprint
from worker.handlers.make_liste import make_liste
from worker.handlers.make_tableau import make_tableau
from worker.handlers.services import Services

log = structlog.get_logger()

_MAKERS = {ExportKind.LISTE: make_liste, ExportKind.TABLEAU: make_tableau}


def make_export(export_id: int, services: Services) -> None:
    """Make the file of one row, if the row is free; a copy of the doorbell finds it taken or done, and stops.

    The doorbell of a list file that is ready and was deposited since asks for its fingerprint.

    Raises:
        OperationalError: the database is away; the message is to be delivered again.
    """
    owner = new_owner()
    with services.engine.begin() as connection:
        export = _read(connection, export_id)
        if export is None:
            log.warning("export_unknown", export_id=export_id)
            return
        structlog.contextvars.bind_contextvars(  # until the next message: Dramatiq's own lines about this one follow
            export_id=export_id, commune=export.code_commune, correlation_id=export.request.correlation_id
        )
        if export.status != ExportStatus.READY and not claim(
            connection, export_id, owner, lease_seconds=services.lease_seconds, max_attempts=services.max_attempts
        ):
            return
    if export.status == ExportStatus.READY:
        keep_fingerprint(services.engine, services.storage, export)
        return
    log.info("export_started", attempt=export.attempts + 1)
    try:
        _work(export, owner, services)
    except LeaseLostError:
        log.warning("lease_lost")


def _work(export: Export, owner: str, services: Services) -> None:
    try:
        keep = partial(renew, services.engine, export.id, owner, services.lease_seconds)
        with Heartbeat(keep, services.lease_seconds) as heartbeat:
            _MAKERS[ExportKind(export.kind)](export, owner, heartbeat.progress, services)
        log.info("export_ready")
    except (LeaseLostError, OperationalError):
        raise
    except ExportError as error:
        log.warning("export_failed", code=error.code)
        mark_failed(services.engine, export.id, owner, error)
    except TransientError as error:
        log.warning("export_delayed", code=error.code)
        _wait(export, owner, error, services, counts=False)
    except Exception:  # a bug must neither stop the worker nor lose the row
        log.exception("export_crashed")
        _wait(export, owner, PrefectureError("Erreur interne : prévenez l'exploitant."), services, counts=True)


def _read(connection: Connection, export_id: int) -> Export | None:
    with Session(connection) as session:
        return session.get(Export, export_id, options=[joinedload(Export.request)])


def _wait(export: Export, owner: str, error: PrefectureError, services: Services, *, counts: bool) -> None:
    if is_overdue(export, services.retry_seconds):
        mark_failed(services.engine, export.id, owner, error)
    else:
        release(services.engine, export, owner, error, counts=counts)
