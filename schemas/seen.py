"""What a form was read against: the notes that it would replace, as one value that the form and its event bear.

The screen computes the value when it shows the form, the worker again when it writes the note. A difference means that
another agent has noted something meanwhile: the note is refused, and overwrites nothing.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

FILE_FACTS: Mapping[str, tuple[str, ...]] = {
    "deposited": ("deposited_on", "remarque", "verdict", "verdict_on"),
    "verdict": ("deposited_on", "verdict", "verdict_on", "answer"),
    "published": (
        *("mode", "published_on", "published_until", "withdrawn_on", "certified_on", "reason"),
    ),
}
"""The fields that a note about files may replace, by its kind; a deposit of a later day deletes the verdict."""


def seen_of(noted: Iterable[Iterable[object]]) -> str:
    """Return the value of these notes, each given by its fields; it differs as soon as one field does."""
    facts = json.dumps([[*fields] for fields in noted], default=str)
    return hashlib.sha256(facts.encode()).hexdigest()


def overwrites_unseen(
    seen: str, known: Sequence[Sequence[object]], said: Sequence[Sequence[object]]
) -> bool:
    """Whether notes `known` would become `said`, and are not those that `seen` stands for."""
    return bool(known) and seen != seen_of(known) and [*map(tuple, known)] != [*map(tuple, said)]
