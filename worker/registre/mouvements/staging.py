"""Mouvements made ready in a temporary table, so that recording them takes one short statement.

A temporary table is seen by its connection only, and writing to it keeps nobody waiting, on SQLite either.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, insert, literal, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from worker.registre.models import MouvementRegistre

TEMPORARY = MetaData()
"""Temporary tables, apart from those of the migrations."""

_RECORDED = MouvementRegistre.__table__
FIELDS = tuple(column.name for column in _RECORDED.columns if column.name not in {"id", "import_id"})
"""The columns that whoever makes a mouvement fills in."""

STAGED = Table(
    "staged_mouvement",
    TEMPORARY,
    Column("rank", Integer, nullable=False),
    Column("electeur", BigInteger),
    *(Column(name, _RECORDED.c[name].type, nullable=_RECORDED.c[name].nullable) for name in FIELDS),
    prefixes=["TEMPORARY"],
)
"""What will be recorded, in the order of `rank`: for a CSV file, its line number. `electeur`: whom it is about, of a
comparison."""

_SERVER = "SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true)"
"""Whole lists are grouped and sorted: what PostgreSQL allows a small query would send them to the disk."""


@contextmanager
def temporary_tables(connection: Connection, *tables: Table) -> Iterator[None]:
    """Empty temporary tables, for the time of the block."""
    _drop(connection, tables)
    with reading_transaction(connection):
        for table in tables:
            connection.execute(CreateTable(table))
    try:
        yield
    except BaseException:
        with suppress(DBAPIError):  # what happened first is what must be told; the next import drops them too
            _drop(connection, tables)
        raise
    _drop(connection, tables)


@contextmanager
def reading_transaction(connection: Connection) -> Iterator[None]:
    """A transaction that reads the register and writes temporary tables only, however long it lasts."""
    connection.execution_options(sqlite_begin="DEFERRED")
    try:
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text(_SERVER))
            yield
    finally:
        connection.execution_options(sqlite_begin="IMMEDIATE")


def record_mouvements(connection: Connection, import_id: int) -> int:
    """Write what was made ready, as brought by that import; returns how many."""
    fields: list[Any] = [STAGED.c[name] for name in FIELDS]
    ready = select(*fields, literal(import_id)).order_by(STAGED.c.rank)
    return connection.execute(insert(MouvementRegistre).from_select([*FIELDS, "import_id"], ready)).rowcount


def _drop(connection: Connection, tables: Iterable[Table]) -> None:
    if not connection.invalidated:
        connection.rollback()
        with reading_transaction(connection):
            for table in tables:
                connection.execute(text(f"DROP TABLE IF EXISTS {table.name}"))
