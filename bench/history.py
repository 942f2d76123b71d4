"""The past of a commune, as the screen has to look through it: requests without a pause, and what became of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from schemas.vocabulary import ExportStatus, Verdict

FILES = 6
"""Of each request: three lists as CSV and as XML, or two tableaux in three presentations."""

APART = timedelta(minutes=10)
"""Between two requests of a commune, day and night: ten thousand take 69 days."""

_TABLEAUX_ONE_IN, _BLOCKED_ONE_IN, _FAILED_ONE_IN, _CANCELLED_ONE_IN = 5, 7, 50, 1000
_DEPOSITED_ONE_IN, _REJECTED_ONE_IN, _DEPOSITED = 10, 100, 3
_UNANSWERED = 50
"""The last requests: the platform has not answered yet."""


@dataclass(frozen=True)
class Past:
    """The requests of one commune, the last one at `until`; `before` requests of others have the first numbers.

    The last `waiting` requests are not served yet and the one before them is being served; one in a thousand, the
    oldest, was cancelled, and of one in fifty a file failed. The files of the older half are purged.
    """

    commune: str
    agent: str
    requests: int
    until: datetime
    scrutin: date
    """The poll that every tableau is for."""
    before: int = 0
    waiting: int = 1


@dataclass(frozen=True)
class Asked:
    """One request of the past, the first one of a commune being 0."""

    past: Past
    index: int

    @property
    def number(self) -> int:
        """In the order of all communes, from 0 on: the numbers of its rows follow from it."""
        return self.past.before + self.index

    @property
    def request_id(self) -> int:
        """Its row's; the number that follows is that of the download."""
        return 2 * self.number + 1

    @property
    def at(self) -> datetime:
        """When."""
        return self.past.until - APART * (self.past.requests - 1 - self.index)

    @property
    def is_purged(self) -> bool:
        """Whether its files are gone."""
        return self.index < self.past.requests // 2

    @property
    def is_about_tableaux(self) -> bool:
        """Whether tableaux were asked for, and not lists."""
        return self.index % _TABLEAUX_ONE_IN == 0

    @property
    def turn(self) -> int:
        """Which of the requests for tableaux it is: each is for the next list, every other one for the commission."""
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
        """What the platform answered to the deposit; None while it has not."""
        if self.past.requests - self.index <= _UNANSWERED:
            return None
        return Verdict.REJETE if self.index % _REJECTED_ONE_IN == _DEPOSITED else Verdict.ACCEPTE

    def status(self, position: int) -> ExportStatus:
        """Where one of its files stands, the first being 0."""
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
    """Every request, the oldest first."""
    return (Asked(past, index) for index in range(past.requests))
