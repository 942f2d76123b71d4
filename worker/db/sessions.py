"""Finds sessions that block others, and open transactions that keep PostgreSQL from cleaning its tables.

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


LOCK_SECONDS = 5
"""A transaction of this age that blocks others is reported."""

# A process of ours gives up after its lock_timeout and tries again, so that nobody may wait at this moment.
_BLOCKING = """
SELECT a.pid, a.usename, a.application_name, a.state = 'active',
       CAST(extract(epoch FROM clock_timestamp() - a.xact_start) AS float),
       coalesce((SELECT string_agg(DISTINCT c.relname, ', ') FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                 WHERE l.pid = a.pid AND l.granted AND c.relkind IN ('r', 'p')
                   AND l.mode ~ '^(Access)?Exclusive|^Share(Row|Lock)'), '')
FROM pg_stat_activity a
WHERE a.backend_type = 'client backend' AND a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND clock_timestamp() - a.xact_start >= make_interval(secs => :seconds)
  AND cardinality(pg_blocking_pids(a.pid)) = 0
  AND (EXISTS (SELECT FROM pg_locks w WHERE NOT w.granted AND a.pid = ANY (pg_blocking_pids(w.pid)))
       OR EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                  WHERE l.pid = a.pid AND l.granted AND c.relkind IN ('r', 'p') AND l.mode = 'AccessExclusiveLock'))
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
        session = _name_session(self.pid, self.account, self.application, is_active=self.is_active)
        return f"{session} a une transaction ouverte depuis {say_duration(self.seconds)}"


class Blocker(NamedTuple):
    """A session whose lock other sessions wait for, and the tables that it locks."""

    pid: int
    account: str
    application: str
    is_active: bool
    seconds: float
    tables: str

    def __str__(self) -> str:
        """Return in French which session it is, what it locks and since when."""
        session = _name_session(self.pid, self.account, self.application, is_active=self.is_active)
        what = f"verrouille {self.tables}" if self.tables else "fait attendre d'autres sessions"
        return f"{session} {what} depuis {say_duration(self.seconds)}"


def _name_session(pid: int, account: str, application: str, *, is_active: bool) -> str:
    program = f", {application}" if application else ""
    return f"la session {pid} ({account}{program}, {'au travail' if is_active else 'inactive'})"


def say_duration(seconds: float) -> str:
    """Return a duration in French, in whole minutes; in seconds below one minute."""
    minutes = int(seconds // 60)
    return count_of(minutes, "minute") if minutes else count_of(int(seconds), "seconde")


def find_open_transactions(
    connection: Connection, at: datetime | None = None
) -> Sequence[OpenTransaction]:
    """Return the transactions that hold back VACUUM at an instant (now), the oldest first; none on SQLite.

    Raises:
        HiddenSessionsError: this account is no member of pg_read_all_stats (deploy/database/accounts.sql).
    """
    if not _shows_sessions(connection):
        return []
    return [OpenTransaction._make(row) for row in connection.execute(text(_OPEN), {"at": at})]


def find_blockers(connection: Connection) -> Sequence[Blocker]:
    """Return the sessions that have blocked others for LOCK_SECONDS, the oldest first; none on SQLite.

    It reads no table of ours, so that no lock stops it.

    Raises:
        HiddenSessionsError: as for `find_open_transactions`.
    """
    if not _shows_sessions(connection):
        return []
    return [
        Blocker._make(row) for row in connection.execute(text(_BLOCKING), {"seconds": LOCK_SECONDS})
    ]


def _shows_sessions(connection: Connection) -> bool:
    if connection.dialect.name != "postgresql":
        return False
    if not connection.scalar(text("SELECT pg_has_role('pg_read_all_stats', 'USAGE')")):
        raise HiddenSessionsError(
            "ce compte ne voit pas les transactions des autres (pg_read_all_stats) : relancez "
            "deploy/database/accounts.sql"
        )
    return True
