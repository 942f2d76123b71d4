"""Two exports of a list, from the law alone: arrivals, departures, changes of bureau, possible corrections.

This module is independent of worker/.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import NamedTuple
from unicodedata import normalize

from tests.oracle.history import Change, Inscrit, Lines, Personne

_Key = Callable[[Inscrit], Hashable]


class Comparison(NamedTuple):
    """The differences of two exports."""

    changes: list[Change]
    guesses: int
    """Number of homonyms told apart only by the order of their numbers."""
    pairs: list[tuple[Inscrit, Inscrit]]
    """The electors of both exports: the former line, and the new one."""


class _Pair(NamedTuple):
    here: Inscrit
    there: Inscrit
    is_guess: bool


def compare(before: Lines, after: Lines) -> Comparison:
    """Match electors by their identity key.

    Keys that differ only by accents, capitals, hyphens or apostrophes are the same elector.
    """
    old, new = list(before), list(after)
    pairs = _pair(old, new, lambda it: it.personne) + _pair(old, new, lambda it: plain(it.personne))
    moved = [
        Change(
            "modification", there.personne, here.bureau, there.bureau, there, "changement_bureau"
        )
        for here, there, _ in pairs
        if here.bureau != there.bureau
    ]
    came = [Change("inscription", it.personne, "", it.bureau, it) for it in new]
    left = [Change("radiation", it.personne, it.bureau, "", it) for it in old]
    return Comparison(
        moved + came + left, sum(pair.is_guess for pair in pairs), [pair[:2] for pair in pairs]
    )


def _pair(old: list[Inscrit], new: list[Inscrit], key: "_Key") -> list[_Pair]:
    """Remove the electors of both exports from both lists; match homonyms by address and bureau first, by number last.

    Homonyms that are still unmatched, in different numbers, are ambiguous: they stay in the lists.
    """
    pairs = []
    sharing = Counter(map(key, old)) | Counter(map(key, new))
    for same in (
        lambda it: (key(it), it.voie, it.bureau, it.numero),
        lambda it: (key(it), it.voie, it.bureau),
        lambda it: (key(it), it.voie),
        lambda it: (key(it), it.bureau, it.numero),
        key,
    ):
        left, came = Counter(map(same, old)), Counter(map(same, new))
        unclear = {who for who in left if left[who] != came[who]} if same is key else set()
        for here in sorted(old, key=lambda it: it.numero):
            there = min(
                (it for it in new if same(it) == same(here)), key=lambda it: it.numero, default=None
            )
            if there and same(here) not in unclear:
                old.remove(here)
                new.remove(there)
                pairs.append(_Pair(here, there, same is key and sharing[key(here)] > 1))
    return pairs


def is_doubtful(left: Inscrit, came: Inscrit) -> bool:
    """Whether a departure and an arrival share enough to raise a doubt."""
    old, new = plain(left.personne), plain(came.personne)
    has_first_name = bool({*old.prenoms.split()} & {*new.prenoms.split()})
    has_birthday = old.naissance == new.naissance
    is_alike = has_first_name or has_birthday
    if is_alike and (left.bureau, left.numero) == (came.bureau, came.numero):
        return True
    if is_alike and left.voie == came.voie and old.nom == new.nom:
        return True
    is_certain = (has_birthday and "-00" not in old.naissance) or old.commune == new.commune
    if has_birthday and old.prenoms == new.prenoms:
        return is_certain or left.voie == came.voie or old.nom == new.nom
    if old.nom != new.nom:
        return False
    return (has_birthday and has_first_name and is_certain) or (
        old.prenoms == new.prenoms and is_one_date(old, new)
    )


def is_one_date(old: Personne, new: Personne) -> bool:
    """Whether a date of birth completes the other, or differs in one known part: day, month or year."""
    here, there = ([int(part) for part in it.naissance.split("-")] for it in (old, new))
    differing = sum(one != other for one, other in zip(here, there, strict=True) if one and other)
    return not differing or (differing == 1 and all(here) and all(there))


def plain(personne: Personne) -> Personne:
    """The key without differences of spelling: accents, capitals, hyphens, apostrophes."""
    return Personne(*(_letters(value) for value in personne))


def _letters(value: str) -> str:
    bare = "".join(it for it in normalize("NFD", value) if it.isascii())
    return (
        " ".join(bare.upper().replace("-", " ").replace("'", " ").split())
        if not value[:1].isdigit()
        else value
    )
