"""Finds open transactions that keep PostgreSQL from cleaning its tables.

While a transaction is open, VACUUM keeps each row that was deleted since it began. A work is deleted when it is done:
with a snapshot that is an hour old, each claim reads all works that ended within that hour.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from common.french import count_of
from worker.errors import PrefectureError

OLD_SECONDS = 600
"""A transaction of this age is reported: every transaction of ours but an import takes less."""

END_SESSION = (
    "Si ce n'est ni une sauvegarde ni un import, terminez-la : « docker compose exec database psql --username=postgres "
    "--command='SELECT pg_terminate_backend({})' »"
)
"""What mends it, in French; with the number of the session."""

# A transaction without a snapshot and without changes holds back nothing, and one of another database no table of ours.
_OPEN = """
SELECT a.pid, a.usename, a.application_name, a.state = 'active',
       CAST(extract(epoch FROM coalesce(CAST(:at AS timestamptz), clock_timestamp()) - a.xact_start) AS float)
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
  AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
ORDER BY a.xact_start
"""


class HiddenSessionsError(PrefectureError):
    """PostgreSQL does not show the sessions of other accounts to this account."""


class OpenTransaction(NamedTuple):
    """A transaction of another session. PostgreSQL also knows the text of its statement, which is not read."""

    pid: int
    account: str
    application: str
    is_active: bool
    seconds: float

    @property
    def is_old(self) -> bool:
        """Whether it is to be reported."""
        return self.seconds >= OLD_SECONDS

    def __str__(self) -> str:
        """Return in French which session it is, and since when its transaction is open."""
        program = f", {self.application}" if self.application else ""
        state = "au travail" if self.is_active else "inactive"
        since = count_of(int(self.seconds // 60), "minute")
        return f"la session {self.pid} ({self.account}{program}, {state}) a une transaction ouverte depuis {since}"


def find_open_transactions(
    connection: Connection, at: datetime | None = None
) -> Sequence[OpenTransaction]:
    """Return the transactions that hold back VACUUM at an instant (now), the oldest first; none on SQLite.

    Raises:
        HiddenSessionsError: this account is no member of pg_read_all_stats (deploy/database/accounts.sql).
    """
    if connection.dialect.name != "postgresql":
        return []
    if not connection.scalar(text("SELECT pg_has_role('pg_read_all_stats', 'USAGE')")):
        raise HiddenSessionsError(
            "ce compte ne voit pas les transactions des autres (pg_read_all_stats) : relancez "
            "deploy/database/accounts.sql"
        )
    return [OpenTransaction._make(row) for row in connection.execute(text(_OPEN), {"at": at})]
