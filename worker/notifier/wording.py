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


def agree(number: int, one: str, many: str) -> str:
    """In French 0 is singular."""
    return many if number > 1 else one


def capitalized(text: str) -> str:
    """The first letter only: what follows may be a name."""
    return text[:1].upper() + text[1:]


def size_label(size: int) -> str:
    """A size as people read it, in thousands of bytes: `51,2 ko`."""
    amount, units = float(size), iter(("octets", "ko", "Mo", "Go"))
    unit = next(units)
    while amount >= 1000 and (larger := next(units, "")):  # noqa: PLR2004 — the International System's kilo
        amount, unit = amount / 1000, larger
    return f"{size} octets" if unit == "octets" else f"{amount:.1f} {unit}".replace(".", ",")
