"""Electors written under a version that no list points to yet: nobody sees them, no transaction lasts."""

from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from worker.errors import ImportRefusedError
from worker.registre.reu import FIELDS, Row
from worker.registre.versions import BATCH

LARGE = 10_000
"""Electors from which PostgreSQL's statistics are worth renewing at once."""

_COLUMNS = ", ".join(("version", *FIELDS))
_COPY = f"COPY electeur ({_COLUMNS}) FROM STDIN"
_INSERT = f"INSERT INTO electeur ({_COLUMNS}) VALUES ({', '.join('?' * (len(FIELDS) + 1))})"  # noqa: S608 — our names


def stage(connection: Connection, version: int, rows: Iterable[Row], progress: Callable[[], None]) -> None:
    """Write the rows in the order they come, and call `progress` after each batch."""
    write = _copy if connection.dialect.name == "postgresql" else _insert
    rest = iter(rows)
    for first in rest:
        write(connection, version, chain([first], islice(rest, BATCH - 1)))
        progress()


def renew_statistics(connection: Connection, staged: int) -> None:
    """Let PostgreSQL know of the new version before the first export reads it; SQLite needs no such thing."""
    if connection.dialect.name == "postgresql" and staged >= LARGE:
        with connection.begin():
            connection.execute(text("ANALYZE electeur"))


def _copy(connection: Connection, version: int, batch: Iterable[Row]) -> None:
    """PostgreSQL stores the rows while we read the next ones."""
    errors: Any = connection.dialect.loaded_dbapi
    try:
        with connection.begin():
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
                for row in batch:
                    copy.write_row((version, *row))
    except errors.OperationalError as error:
        raise OperationalError(_COPY, None, error) from None
    except errors.Error as error:  # its text quotes the line
        raise ImportRefusedError(f"la base de données refuse des électeurs ({type(error).__name__})") from None


def _insert(connection: Connection, version: int, batch: Iterable[Row]) -> None:
    """SQLite keeps other writers out from BEGIN on: the rows are read before."""
    values = [(version, *row) for row in batch]
    with connection.begin():
        connection.exec_driver_sql(_INSERT, values)
