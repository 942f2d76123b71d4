"""What an import did, for people and programs. No elector's data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path

from common.french import format_number

LISTED = 5
"""How many of many similar things a message names."""


@dataclass(frozen=True)
class ListeCount:
    """One list of one commune: its electors now, and before (None: it was not in the register)."""

    code_commune: str
    liste: str
    electeurs: int
    before: int | None


@dataclass(frozen=True)
class Comparison:
    """What an import changed in the lists that it replaced, in numbers of electors."""

    jour: date
    """The day the export was taken, which its mouvements bear."""
    listes: int
    """Lists compared; those that were not in the register before are not."""
    inscriptions: int
    radiations: int
    changements: int
    """Electors who vote in another bureau."""
    others: int
    """Electors who changed otherwise (address, name of use, spelling): no mouvement."""
    homonyms: int
    """Identities that several electors of one list share."""
    spellings: int
    """Electors whose name or place of birth is spelled in another way than before."""
    doubts: int
    """Pairs of a radiation and an inscription that may be one person: a corrected civil status."""
    report: Path | None
    """Where homonyms, spellings and doubts are told one by one."""


@dataclass(frozen=True)
class ImportSummary:
    """An import that succeeded. When `unchanged`, the register already held this very file and nothing was done."""

    import_id: int
    file_name: str
    sha256: str
    unchanged: bool
    lines_read: int
    lines_kept: int
    lines_rejected: int
    values_cleaned: int
    listes: tuple[ListeCount, ...] = ()
    bureaux: int = 0
    bureaux_changed: int = 0
    notes: tuple[str, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    report: Path | None = None
    comparison: Comparison | None = None
    taken_on: date | None = None
    """Of an export of the REU: the day it was taken."""
    is_dated: bool = False
    """Whether somebody said that day; else it is the day of the import."""
    kept: tuple[ListeCount, ...] = ()
    """Lists of the same communes that the file does not hold: they stay as they are."""


def name_some(texts: Iterable[str]) -> str:
    """The first of the texts, and how many are left."""
    rest = iter(texts)
    named = " ; ".join(islice(rest, LISTED))
    left = sum(1 for _ in rest)
    return f"{named} ; et {format_number(left)} de plus" if left else named


def describe_reasons(reasons: Mapping[str, int]) -> str:
    """Reasons of rejection with their counts, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda pair: -pair[1])
    return name_some(f"{reason} ({format_number(count)})" for reason, count in ordered)
