"""Compares the list of a day with a tableau, elector by elector, and gives the reason of each difference.

A tableau ends on its last day, and counts age on a poll; a list file has the day of its request. The mouvements and the
dates of birth between the two days give the reason for each elector who differs. Differences without a reason are a
contradiction between the list and its mouvements.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from common.calendrier import is_mineur, last_birth
from schemas.vocabulary import Nature
from worker.domain.majorite import OfAge, Period, Register
from worker.domain.mouvement import Mouvement
from worker.domain.tableau.demande import Demande, is_in_period
from worker.domain.tableau.model import format_date


class Reason(StrEnum):
    """Why an elector is on the list of the day and not counted by the tableau, or the contrary."""

    CAME_SINCE = "came_since"
    LEFT_SINCE = "left_since"
    OF_AGE_SINCE = "of_age_since"
    OF_AGE_LATER = "of_age_later"
    STILL_TO_COME = "still_to_come"
    STILL_TO_LEAVE = "still_to_leave"

    @property
    def is_on_liste(self) -> bool:
        """Whether the elector is on the list of the day and not counted by the tableau; else the contrary."""
        return self in {Reason.CAME_SINCE, Reason.OF_AGE_SINCE, Reason.STILL_TO_LEAVE}


_SAID = {
    Reason.CAME_SINCE: "inscription {}, après le tableau",
    Reason.LEFT_SINCE: "radiation {}, après le tableau",
    Reason.OF_AGE_SINCE: "dix-huit ans {}, après le tableau",
    Reason.OF_AGE_LATER: "dix-huit ans {} : compte pour le tableau, pas encore sur la liste",
    Reason.STILL_TO_COME: "inscription {}, qui n'est pas encore appliquée à la liste",
    Reason.STILL_TO_LEAVE: "radiation {}, qui n'est pas encore appliquée à la liste",
}


@dataclass(frozen=True)
class Difference:
    """One elector who is in one of the two only. Personal data: for the agent's own file, never for a log."""

    reason: Reason
    day: str
    """`du 25/10/2026`; for an undated mouvement, the days between which it happened."""
    nom_naissance: str
    prenoms: str
    date_naissance: str
    bureau: str

    @classmethod
    def of(cls, reason: Reason, mouvement: Mouvement) -> "Difference":
        """Build the difference of the elector of a mouvement."""
        who, bureau = mouvement.personne, mouvement.nouveau_bureau or mouvement.ancien_bureau
        day = format_date(mouvement)
        if mouvement.after is None:
            day = f"le {day}" if reason in {Reason.OF_AGE_SINCE, Reason.OF_AGE_LATER} else f"du {day}"
        return cls(reason, day, who.nom_naissance, who.prenoms, who.date_naissance, bureau)

    def to_record(self) -> dict[str, str]:
        """Return the JSON for the agent's file."""
        return asdict(self) | {
            "reason": self.reason.value,
            "is_on": "liste" if self.reason.is_on_liste else "tableau",
            "message": _SAID[self.reason].format(self.day),
        }


@dataclass(frozen=True)
class Reconciliation:
    """A tableau since 2019 compared with the list of the day of its request, in one snapshot of the register."""

    liste_on: date
    version: int
    """The version of the register, which selects the electors of the list."""
    electeurs: int
    tableau_on: date
    age_on: date
    apres: int
    differences: Sequence[Difference]

    @property
    def unexplained(self) -> int:
        """Number of electors on the list without a reason; below zero, of electors that it lacks."""
        counted = sum(1 if it.reason.is_on_liste else -1 for it in self.differences)
        return self.electeurs - self.apres - counted

    def to_record(self) -> dict[str, Any]:
        """Return the JSON for the row of the file: counts and reasons, without names."""
        reasons = Counter(it.reason.value for it in self.differences)
        return {
            "liste_on": self.liste_on.isoformat(),
            "version": self.version,
            "electeurs": self.electeurs,
            "tableau_on": self.tableau_on.isoformat(),
            "age_on": self.age_on.isoformat(),
            "apres": self.apres,
            "differences": dict(sorted(reasons.items())),
            "unexplained": self.unexplained,
        }


class CountedDays(NamedTuple):
    """The last day of a tableau, and the day on which it counts age."""

    tableau_on: date
    age_on: date


def read_days(record: Mapping[str, Any]) -> CountedDays:
    """Read the days of an existing tableau from the record in its row."""
    return CountedDays(*(date.fromisoformat(record[name]) for name in CountedDays._fields))


def find_differences(demande: Demande, register: Register) -> Iterator[Difference]:
    """Yield the electors on the list of the day of the request that the tableau does not count, and the contrary.

    It yields nothing under the yearly revision, whose tableaux are counted from the current list.
    """
    period = Period.of(demande)
    if period is None:
        return
    until, age, jour = period.until, period.age_apres, demande.jour
    since = Period(until, jour, min(age, jour), jour, jour)
    for mouvement in OfAge(since, register.narrow(until, last_birth(since.age_avant))).stream():
        if mouvement.is_applied and (mouvement.is_majorite or since.has(mouvement)):
            yield from _happened_since(mouvement)
    if age > jour:
        young = register.narrow(date.max, last_birth(jour))
        for mouvement in OfAge(period._replace(age_avant=jour), young).stream():
            if mouvement.is_majorite and mouvement.is_applied and mouvement.date_mouvement > jour:
                yield Difference.of(Reason.OF_AGE_LATER, mouvement)
    waiting = register.narrow(date.max, last_birth(period.age_avant), waiting=True)
    for mouvement in OfAge(period, waiting).stream():
        if not mouvement.is_applied and is_in_period(mouvement, demande):
            yield from _is_waiting(mouvement, jour)


def _happened_since(mouvement: Mouvement) -> Iterator[Difference]:
    if mouvement.nature is Nature.RADIATION:
        yield Difference.of(Reason.LEFT_SINCE, mouvement)
    elif mouvement.is_majorite:
        yield Difference.of(Reason.OF_AGE_SINCE, mouvement)
    elif mouvement.nature is Nature.INSCRIPTION:
        yield Difference.of(Reason.CAME_SINCE, mouvement)


def _is_waiting(mouvement: Mouvement, jour: date) -> Iterator[Difference]:
    if mouvement.nature is Nature.INSCRIPTION:
        yield Difference.of(Reason.STILL_TO_COME, mouvement)
    elif mouvement.nature is Nature.RADIATION and not is_mineur(mouvement.personne.date_naissance, jour):
        yield Difference.of(Reason.STILL_TO_LEAVE, mouvement)
