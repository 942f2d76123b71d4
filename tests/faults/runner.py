"""How a fault is played: prepare, start, ask, harm, wait until nothing is left to do, judge."""

import time
from pathlib import Path
from typing import Any

from tests.faults.facts import gather
from tests.faults.fault import Fault
from tests.faults.stage import Servers, Stage
from tests.faults.verdict import Verdict

_UNTOLD = "SELECT count(*) FROM request WHERE notified_at IS NULL"
_REQUESTS = "SELECT count(*) FROM request"


def play(
    fault: Fault,
    servers: Servers,
    folder: Path,
    *,
    requests: int,
    patience: float = 90,
    real_time: bool = False,
    as_shipped: bool = False,
) -> Verdict:
    """Play a fault while so many `requests`, for one file each, are served; the stage's logs are left in `folder`.

    The rest is as in `Stage`.
    """
    how: dict[str, Any] = {"real_time": real_time, "as_shipped": as_shipped}
    with Stage(servers, folder, patience=patience, **how) as stage:
        began = time.monotonic()
        trouble = ""
        try:
            with fault.harm(stage):
                stage.start()
                began = time.monotonic()
                stage.ask(requests)
            stage.expect(lambda: _is_over(stage), "the end of all work")
        except Exception as error:  # noqa: BLE001 — the other faults are played all the same
            trouble = f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - began
        stage.end()
        if trouble and (left := [*stage.queues.left().items(), *stage.hidden()]):
            trouble = f"{trouble}; left: {left}"
        return Verdict(fault.name, gather(stage), seconds, fault.mails_again, trouble, stage.note)


def _is_over(stage: Stage) -> bool:
    """Whether every request is told, no message waits or is being worked on, and no file is being written."""
    if stage.count(_REQUESTS) < len(stage.asked) or stage.count(_UNTOLD):
        return False
    return not stage.queues.left() and not stage.hidden()
