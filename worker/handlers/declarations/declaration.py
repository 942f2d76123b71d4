"""The base class of the declarations."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection

from common.calendrier import civil_day
from common.french import short_date
from worker.doorbell import Doorbell
from worker.errors import RefusedError
from worker.exports.models import Export


@dataclass(frozen=True)
class Declaration(ABC):
    """A declaration about one commune, by `requested_by` through `account`; `said_at` is the sender's clock."""

    commune: str
    requested_by: str
    said_at: datetime
    files: Sequence[Export] = ()
    account: str = field(default="", kw_only=True)

    @abstractmethod
    def apply(self, connection: Connection, now: datetime) -> None:
        """Write the declaration, in the transaction of its request.

        Raises:
            RefusedError: the declaration cannot be written; the transaction must not be committed.
        """

    def doorbells(self) -> Iterable[Doorbell]:
        """Return the messages for the jobs that the declaration causes."""
        return ()

    def makes_known(self) -> Iterable[str]:
        """Return the keys that deferred events wait for and that the declaration provides."""
        return ()


def refuse_future(day: date, now: datetime, *, commune: str, field: str) -> None:
    """Check that the day is not in the future in the commune.

    Raises:
        RefusedError: it is.
    """
    if day > civil_day(now, commune):
        raise RefusedError(
            f"Le {short_date(day)} n'est pas encore venu : vérifiez la date.",
            commune=commune,
            code="date_a_venir",
            field=f"data.{field}",
        )
