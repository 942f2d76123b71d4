"""What a message says, as facts: drawn as plain text and as HTML by two renderers that add no fact."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

LabelledValue = tuple[str, str]
"""`Pages`, `3`."""


class Tone(StrEnum):
    """How serious a state is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    QUIET = "quiet"


class Topic(StrEnum):
    """What a message was about: the most serious thing that it said."""

    READY = "pret"
    FAILED = "echec"
    DEADLINE = "echeance"
    REFUSED = "refus"
    CANCELLED = "annule"
    RECALLED = "a_refaire"


@dataclass(frozen=True)
class Heading:
    """What the blocks below are about."""

    text: str


@dataclass(frozen=True)
class Note:
    """A paragraph, with the words that must be read first."""

    lead: str
    text: str = ""


@dataclass(frozen=True)
class Steps:
    """What to do, in order."""

    items: Sequence[str]


@dataclass(frozen=True)
class Duties:
    """What is to be done of one thing."""

    title: str
    facts: Sequence[LabelledValue]


Block = Heading | Note | Steps | Duties


@dataclass(frozen=True)
class Item:
    """A file, or a deadline."""

    title: str
    state: str
    tone: Tone
    facts: Sequence[LabelledValue] = ()


@dataclass(frozen=True)
class PageLink:
    """A page of the screen."""

    intro: str
    label: str
    url: str


@dataclass(frozen=True)
class Content:
    """One message."""

    topic: Topic
    tone: Tone
    subject: str
    title: str
    """The outcome, alone."""
    lieu: str
    summary: str
    circumstances: Sequence[LabelledValue]
    items: Sequence[Item]
    warnings: Sequence[Block]
    """Before anything is done."""
    link: PageLink | None
    advice: Sequence[Block]
    """What to do next."""
    reference: LabelledValue | None
