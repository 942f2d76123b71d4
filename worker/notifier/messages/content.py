"""The content of a message, as facts: two renderers draw it as plain text and as HTML, and add no fact."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

LabelledValue = tuple[str, str]
"""`Pages`, `3`."""


class Tone(StrEnum):
    """The severity of a state."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    QUIET = "quiet"


class Topic(StrEnum):
    """The subject of a message: its most serious result."""

    READY = "pret"
    FAILED = "echec"
    DEADLINE = "echeance"
    REFUSED = "refus"
    CANCELLED = "annule"
    RECALLED = "a_refaire"


@dataclass(frozen=True)
class Heading:
    """The heading of the blocks below."""

    text: str


@dataclass(frozen=True)
class Note:
    """A paragraph, with the words that must be read first."""

    lead: str
    text: str = ""


@dataclass(frozen=True)
class Steps:
    """Instructions for the clerk, in order."""

    items: Sequence[str]


@dataclass(frozen=True)
class Duties:
    """The duties for one tableau."""

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
    """A link to a page of the screen."""

    intro: str
    label: str
    url: str


@dataclass(frozen=True)
class Content:
    """The content of one message."""

    topic: Topic
    tone: Tone
    subject: str
    title: str
    """The outcome alone."""
    lieu: str
    summary: str
    circumstances: Sequence[LabelledValue]
    items: Sequence[Item]
    warnings: Sequence[Block]
    """To be read before any step."""
    link: PageLink | None
    advice: Sequence[Block]
    """The next steps."""
    reference: LabelledValue | None
