"""One import at a time: whoever holds the lock may write versions and remove them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, text

from worker.errors import ImportRefusedError

ADVISORY_KEY = 0x5245555F494D50
"""`REU_IMP` in ASCII: the number that our imports agree on in a PostgreSQL database."""

_BUSY = "un autre import est en cours ; recommencez quand il sera fini"


@contextmanager
def import_lock(connection: Connection) -> Iterator[None]:
    """Hold the lock on this connection; it is released when the process dies.

    Raises:
        ImportRefusedError: another import holds it.
    """
    on_postgresql = connection.dialect.name == "postgresql"
    with _advisory_lock(connection) if on_postgresql else _file_lock(connection.engine.url.database):
        yield


@contextmanager
def _advisory_lock(connection: Connection) -> Iterator[None]:
    with connection.begin():
        is_ours = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_KEY})
    if not is_ours:
        raise ImportRefusedError(_BUSY)
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_KEY})
            connection.commit()


@contextmanager
def _file_lock(database: str | None) -> Iterator[None]:
    """SQLite: a lock on a file beside the database, since a transaction so long would keep every worker waiting."""
    import fcntl

    if not database or database == ":memory:":
        yield
        return
    with Path(f"{database}.import-lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ImportRefusedError(_BUSY) from None
        yield
