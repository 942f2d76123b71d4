"""What the faults are good for: each safeguard taken away in turn, under a fault whose line it must turn red."""

from typing import NamedTuple

from tests.faults.catalogue import FAULTS
from tests.faults.fault import Fault
from tests.faults.verdict import Verdict


class Sabotage(NamedTuple):
    """A safeguard taken away from the worker and the notifier."""

    alteration: str
    """Its function in `alterations`."""
    fault: Fault
    broken: str
    """The fact that must be wrong."""
    trouble: str = ""
    """Where that is the fault's own complaint, words of it."""

    def is_found(self, verdict: Verdict) -> bool:
        """Whether the line is red, and for the right reason."""
        return self.broken in verdict.broken and self.trouble in verdict.trouble


SABOTAGES = [
    Sabotage("writes_under_the_final_name", FAULTS["nothing"], "partial"),
    Sabotage("takes_copies_for_new", FAULTS["nothing"], "left"),
    Sabotage("never_sweeps", FAULTS["worker-killed"], "ready"),
    Sabotage("ignores_its_lease", FAULTS["worker-frozen"], "trouble", "touched a file"),
    Sabotage("gives_up_at_once", FAULTS["volume-read-only"], "ready"),
    Sabotage("forgets_its_mails", FAULTS["smtp-full"], "again"),
]
