"""What a fault is: a name, and a function that does harm to a running stage."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.faults.stage import Stage

Harm = Callable[[Stage], Iterator[None]]


@dataclass(frozen=True)
class Fault:
    """Something that breaks while requests are served.

    `harm` begins before the parts run, and may prepare them. Where it yields, they start and every request is sent
    twice; what follows happens in the middle of the work. It undoes its harm, and fails when nobody was harmed: a fault
    that missed proves nothing.
    """

    name: str
    harm: Callable[[Stage], AbstractContextManager[None]]
    is_short: bool = False
    """Played by `make test` too."""
    mails_again: int = 0
    """How many mails may come twice, with the same Message-ID, because SMTP cannot do better."""

    @property
    def slug(self) -> str:
        """A word for the command line and for folders."""
        return self.harm.__name__.replace("_", "-")


def fault(name: str, *, short: bool = False, mails_again: int = 0) -> Callable[[Harm], Fault]:
    """Make a fault of a generator function that yields once."""
    return lambda harm: Fault(name, contextmanager(harm), is_short=short, mails_again=mails_again)
