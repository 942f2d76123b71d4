"""How messages speak of a kind of file, and the small words that they share."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from worker.exports.models import Export
from worker.notifier.content import Block, Fact, Note


@dataclass(frozen=True)
class Wording:
    """The words that differ between a list and a tableau."""

    one: str
    many: str
    asked: str
    """What the request was of."""
    sound: str
    """A file that is ready, with no blocking anomaly."""
    unsound: str
    """A file that is ready, with blocking anomalies."""
    facts: Callable[[Export], Iterable[Fact]]
    """What there is to know of a file that is ready, besides what all files have."""
    correct_first: Note
    next_steps: Callable[[Sequence[Export]], Iterable[Block]]
    """What to do with the files that are ready."""
