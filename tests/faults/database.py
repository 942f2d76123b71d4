"""What befalls PostgreSQL."""

import time
from collections.abc import Iterator

from tests.faults.fault import fault
from tests.faults.jobs import caught_job
from tests.faults.stage import Stage

_A_MINUTE = 60


@fault("the database restarted (fast)")
def database_fast(stage: Stage) -> Iterator[None]:
    """Its transactions are rolled back, its clients sent away."""
    yield
    with caught_job(stage) as job:
        stage.database.stop("fast")
        stage.database.start()
    job.expect_ready()
    stage.expect_log("OperationalError")


@fault("the database restarted (immediate)", short=True)
def database_immediate(stage: Stage) -> Iterator[None]:
    """As after a crash: it recovers from its journal."""
    yield
    with caught_job(stage) as job:
        stage.database.stop("immediate")
        stage.database.start()
    job.expect_ready()
    stage.expect_log("OperationalError")


@fault("the database away for a minute")
def database_away(stage: Stage) -> Iterator[None]:
    """Longer than any lease: everything waits, nothing is given up."""
    yield
    with caught_job(stage):
        stage.database.stop("fast")
    time.sleep(_A_MINUTE)
    stage.database.start()
    stage.expect_log("OperationalError")
