"""What people are notified of, and by which way: the words kept in the tables."""

from collections.abc import Iterable
from enum import StrEnum


class Wish(StrEnum):
    """What a recipient may want to be notified of."""

    READY = "pret"
    FAILED = "echec"
    DEADLINE = "echeance"

    @property
    def label(self) -> str:
        """What an operator reads."""
        return _WISHES[self]


class Topic(StrEnum):
    """What a message was about: the most serious thing that it said."""

    READY = "pret"
    FAILED = "echec"
    DEADLINE = "echeance"
    REFUSED = "refus"
    CANCELLED = "annule"
    RECALLED = "a_refaire"


class Channel(StrEnum):
    """The way that a message takes."""

    MAIL = "courriel"
    CHAT = "discussion"
    WEBHOOK = "webhook"


EVERY_WISH = tuple(Wish)

_WISHES = {Wish.READY: "fichiers prêts", Wish.FAILED: "échecs, refus et annulations", Wish.DEADLINE: "échéances"}


def join_wishes(wishes: Iterable[str]) -> str:
    """As the tables keep them: `pret,echec`, in the order of the list above; empty for who wants nothing."""
    wanted = set(wishes)
    return ",".join(wish for wish in Wish if wish in wanted)


def split_wishes(text: str) -> frozenset[Wish]:
    """What a table holds; words that nobody knows are left out."""
    words = set(text.split(","))
    return frozenset(wish for wish in Wish if wish in words)
