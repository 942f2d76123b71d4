"""Does the next due work of a queue: the use case of a token.

A token names no row. So a token that is lost, doubled or late loses, doubles or delays no work: the
sweep of the notifier sends one for each due work, and a token that finds nothing is done.
"""

import time
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, Engine

from worker.error_policy import UNKNOWN, conclude, is_waited_for, until_next_try
from worker.errors import DatabaseAwayError, ExhaustedError, LeaseLostError, TransientError
from worker.exports.lease import new_owner, repeat_until_recorded
from worker.exports.records import wait_for_restart
from worker.handlers.handle_preview import begin_preview, process_preview
from worker.handlers.making.make_certificat import make_certificat
from worker.handlers.making.make_export import begin_file, begin_piece, make_file
from worker.handlers.making.make_liste import make_fingerprint
from worker.services import Services
from worker.work import queue as works
from worker.work.queue import QUEUE_KINDS, Claim, WorkKind, is_owned_by

IDLE_SECONDS = 0.02
"""The pause after a token that found no work: without it, a process for people only would consume
all tokens of a batch within a second."""

log = structlog.get_logger()


class Job(NamedTuple):
    """How a kind of work is done."""

    begin: Callable[[Connection, Claim, Services], Any]
    """Reads its row, in the transaction of the claim; None: the work was ended there."""
    do: Callable[[Any, Claim, Services], None]
    """Does the work, and finishes, releases or buries it. If it raises, the work is released."""


JOBS = {
    WorkKind.LISTE: Job(begin_file, make_file),
    WorkKind.TABLEAU: Job(begin_file, make_file),
    WorkKind.FINGERPRINT: Job(begin_piece, make_fingerprint),
    WorkKind.CERTIFICAT: Job(begin_piece, make_certificat),
    WorkKind.PREVIEW: Job(begin_preview, process_preview),
}


def do_next_work(queue: str, services: Services) -> None:
    """Claim the first due work of a queue and do it; return if there is none.

    Raises:
        Exception: the database is away, or this process lacks resources. The work is released.
    """
    lanes = range(services.most_lane + 1)
    for lane, kind in product(lanes, QUEUE_KINDS[queue]):
        if taken := _claim(kind, lane, services):
            claim, row = taken
            if row is not None:
                _do(JOBS[kind], row, claim, services)
            return
    time.sleep(IDLE_SECONDS)


def _claim(kind: WorkKind, lane: int, services: Services) -> tuple[Claim, Any] | None:
    owner = new_owner()
    try:
        with services.engine.begin() as connection:
            wait_for_restart(connection)
            claims = works.claim(
                connection, kind, owner, lease_seconds=services.lease_seconds, lanes=(lane, lane)
            )
            return (
                (claims[0], JOBS[kind].begin(connection, claims[0], services)) if claims else None
            )
    except Exception as error:
        if is_waited_for(error):  # the claim may be committed although its answer was lost
            repeat_until_recorded(partial(free_works_of, services.engine, owner))
        raise


def free_works_of(engine: Engine, owner: str) -> None:
    """Make the works of a job due again, uncounted: the job will not do them."""
    with engine.begin() as connection:
        works.give_back(connection, is_owned_by(owner))


def _do(job: Job, row: Any, claim: Claim, services: Services) -> None:  # noqa: ANN401 — of its kind
    services.held.add(claim.owner)
    try:
        job.do(row, claim, services)
    except LeaseLostError:
        log.warning("lease_lost")
    except (DatabaseAwayError, ExhaustedError):
        raise
    except Exception as error:  # noqa: BLE001 — a bug must neither stop the worker nor lose the work
        _release(claim, error, services)
    finally:
        services.held.discard(claim.owner)


def _release(claim: Claim, error: Exception, services: Services) -> None:
    reason = conclude(error)
    if isinstance(reason, TransientError):
        log.warning("work_delayed", kind=claim.kind, code=reason.code)
        wait, counts = until_next_try(claim.waits), False
    else:
        log.error("work_failed", kind=claim.kind, subject=claim.subject, exc_info=error)
        reason, wait, counts = UNKNOWN.to_error(), until_next_try(claim.starts), True

    def record() -> None:
        with services.engine.begin() as connection:
            if counts and claim.starts >= services.most_failures:
                works.bury(connection, claim, str(reason))
            else:
                works.release(connection, claim, wait, str(reason), counts=counts)

    repeat_until_recorded(record)
    if isinstance(reason, DatabaseAwayError | ExhaustedError):
        raise reason from error


def free_held_works(services: Services) -> None:
    """Free the works that this process still holds when it has to end: the interrupted starts do not count."""
    for owner in [*services.held]:
        free_works_of(services.engine, owner)
