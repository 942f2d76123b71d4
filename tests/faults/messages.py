"""What befalls doorbells: the rows that they ring for are found without them."""

from collections.abc import Iterator

from schemas.topology import QUEUE_LISTES, QUEUE_REQUESTS, QUEUE_TABLEAUX
from tests.faults.fault import fault
from tests.faults.jobs import jobs_held
from tests.faults.stage import Stage

_GRACE_SECONDS = 30
_REQUESTS = "SELECT count(*) FROM request"


@fault("doorbells purged from their queues")
def doorbells_purged(stage: Stage) -> Iterator[None]:
    """Somebody empties the queues of jobs, where the jobs of most requests wait."""
    yield
    with jobs_held(stage):
        stage.start_worker("-Q", QUEUE_REQUESTS)
        stage.expect(lambda: stage.count(_REQUESTS) == len(stage.asked), "the rows of every request")
        purged = stage.queues.purge(QUEUE_LISTES, QUEUE_TABLEAUX)
    assert purged, "no message was waiting"
    stage.let_time_pass(_GRACE_SECONDS)


@fault("a worker killed between its rows and their doorbell")
def doorbell_lost(stage: Stage) -> Iterator[None]:
    """The rows are written, and nobody has rung for them."""
    stage.alteration = "dies_before_ringing"
    yield
    stage.expect(lambda: any(worker.exits for worker in stage.workers), "the death of a worker")
    stage.let_time_pass(_GRACE_SECONDS)
