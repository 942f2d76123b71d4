"""How a fault is played: prepare, start, send, break, wait until no work is left, judge."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.facts import Facts, gather
from tests.faults.stage import Servers, Stage

_UNTOLD = "SELECT count(*) FROM request WHERE notified_at IS NULL"
_REQUESTS = "SELECT count(*) FROM request"

Harm = Callable[[Stage], Iterator[None]]


@dataclass(frozen=True)
class Fault:
    """A fault that happens while requests are processed.

    `harm` is a generator. It prepares the parts before they start, and yields. Then the parts start and every request
    is sent twice. The rest of `harm` runs while the workers process them: it breaks a part and repairs it. It raises
    when no work was interrupted, since a fault that missed proves nothing.
    """

    name: str
    harm: Callable[[Stage], AbstractContextManager[None]]
    is_short: bool = False
    """Whether the slow tests play it too."""
    mails_again: int = 0
    """Number of mails that may arrive twice, with the same Message-ID, because SMTP has no transactions."""

    @property
    def slug(self) -> str:
        """The name for the command line and for folders."""
        return self.harm.__name__.replace("_", "-")


def fault(name: str, *, short: bool = False) -> Callable[[Harm], Fault]:
    """Decorate a generator function that yields once."""
    return lambda harm: Fault(name, contextmanager(harm), is_short=short)


@dataclass(frozen=True)
class Verdict:
    """One line of the table."""

    fault: str
    facts: Facts
    seconds: float
    """From the first request until no work was left."""
    mails_again: int = 0
    """Number of mails that may arrive twice."""
    trouble: str = ""
    """Why the fault could not be played to its end."""
    note: str = ""

    @property
    def broken(self) -> list[str]:
        """The names of the wrong facts; empty when all are right."""
        return [*_broken(self.facts, self.mails_again), *(["trouble"] if self.trouble else [])]


def _broken(facts: Facts, mails_again: int) -> Iterator[str]:
    for name in ("rows", "ready", "files", "told", "events"):
        if getattr(facts, name) != facts.asked:
            yield name
    for name in ("partial", "hidden", "unknown", "left"):
        if getattr(facts, name):
            yield name
    if facts.again > mails_again:
        yield "again"
    if not facts.asked:
        yield "asked"


def play(
    fault: Fault,
    servers: Servers,
    folder: Path,
    *,
    requests: int,
) -> Verdict:
    """Play a fault while this many `requests`, for one file each, are processed; the stage's logs stay in `folder`."""
    with Stage(servers, folder) as stage:
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
    """Whether every request is notified, no message is left in the queues, and no file is being written."""
    if stage.count(_REQUESTS) < len(stage.asked) or stage.count(_UNTOLD):
        return False
    return not stage.queues.left() and not stage.hidden()
