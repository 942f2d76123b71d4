"""The past of a commune, through which the screen searches: steady requests, and their results."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from schemas.vocabulary import ExportStatus, Verdict

FILES = 6
"""The files of each request: three lists as CSV and as XML, or two tableaux in three presentations."""

APART = timedelta(minutes=10)
"""The time between two requests of a commune, day and night: ten thousand take 69 days."""

_TABLEAUX_ONE_IN, _BLOCKED_ONE_IN, _FAILED_ONE_IN, _CANCELLED_ONE_IN = 5, 7, 50, 1000
_DEPOSITED_ONE_IN, _REJECTED_ONE_IN, _DEPOSITED = 10, 100, 3
_UNANSWERED = 50
"""The last requests, which the platform has not answered yet."""


@dataclass(frozen=True)
class Past:
    """The requests of one commune, the last one at `until`; `before` requests of others have the first numbers.

    The last `waiting` requests are queued and the one before them is running; one in a thousand, the oldest, was
    cancelled, and of one in fifty a file failed. The files of the older half are purged.
    """

    commune: str
    agent: str
    requests: int
    until: datetime
    scrutin: date
    """The poll of every tableau."""
    before: int = 0
    waiting: int = 1


@dataclass(frozen=True)
class Asked:
    """One request of the past; the first one of a commune has index 0."""

    past: Past
    index: int

    @property
    def number(self) -> int:
        """The number in the order of all communes, from 0 on: the ids of its rows follow from it."""
        return self.past.before + self.index

    @property
    def request_id(self) -> int:
        """The id of its row; the next id is that of the download."""
        return 2 * self.number + 1

    @property
    def at(self) -> datetime:
        """The instant of the request."""
        return self.past.until - APART * (self.past.requests - 1 - self.index)

    @property
    def is_purged(self) -> bool:
        """Whether its files are purged."""
        return self.index < self.past.requests // 2

    @property
    def is_about_tableaux(self) -> bool:
        """Whether it asks for tableaux, and not lists."""
        return self.index % _TABLEAUX_ONE_IN == 0

    @property
    def turn(self) -> int:
        """The number among requests for tableaux: the lists alternate, and every other one is for the commission."""
        return self.index // _TABLEAUX_ONE_IN

    @property
    def is_blocked(self) -> bool:
        """Whether its files have blocking anomalies."""
        return self.index % _BLOCKED_ONE_IN == 0

    @property
    def is_deposited(self) -> bool:
        """Whether its CSV files were deposited."""
        to_come = self.past.requests - self.past.waiting - self.index
        return self.index % _DEPOSITED_ONE_IN == _DEPOSITED and to_come > 1

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the platform on the deposit; None while there is none."""
        if self.past.requests - self.index <= _UNANSWERED:
            return None
        return Verdict.REJETE if self.index % _REJECTED_ONE_IN == _DEPOSITED else Verdict.ACCEPTE

    def status(self, position: int) -> ExportStatus:
        """Return the status of one of its files, the first being 0."""
        to_come = self.past.requests - self.past.waiting - self.index
        if self.index < self.past.requests // _CANCELLED_ONE_IN:
            return ExportStatus.CANCELLED
        if to_come <= 0 or (to_come == 1 and position > FILES // 2):
            return ExportStatus.QUEUED
        if to_come == 1 and position == FILES // 2:
            return ExportStatus.RUNNING
        is_failed = self.index % _FAILED_ONE_IN == _FAILED_ONE_IN - 1 and position == FILES - 1
        return ExportStatus.FAILED if is_failed else ExportStatus.READY


def iter_past(past: Past) -> Iterator[Asked]:
    """Return every request, the oldest first."""
    return (Asked(past, index) for index in range(past.requests))
