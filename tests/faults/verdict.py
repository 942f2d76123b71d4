"""What must hold after any fault, and what of it does not."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.facts import Facts


@dataclass(frozen=True)
class Verdict:
    """One line of the table."""

    fault: str
    facts: Facts
    seconds: float
    """From the first request until nothing was left to do."""
    mails_again: int = 0
    """How many mails may come twice."""
    trouble: str = ""
    """Why the fault could not be played to its end."""
    note: str = ""

    @property
    def broken(self) -> list[str]:
        """The names of the facts that are not as they must be; empty when all is well."""
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
