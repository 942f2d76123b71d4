"""Versions of the lists. A version is the id of the import that wrote it; a list shows the one it points to.

Other versions are kept while an undo needs them, or while a stored file rests on one: a tableau prints the number and
the address of a day, and counts the electors of a day.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase

from schemas.requests import UNDO_DAYS
from worker.db.functions import OBSOLETE_VERSIONS, OLD_ANSWERS
from worker.db.types import UtcDateTime, utc_now
from worker.registre.models import Electeur, Import, ListeCommunale, MouvementRegistre

BATCH = 5000
"""Electors written or removed in one transaction: SQLite has one writer at a time, workers must not wait for long."""

_OBSOLETE, *_OLD_ANSWERS = (
    text(it.format(since=":since")).bindparams(bindparam("since", type_=UtcDateTime))
    for it in (OBSOLETE_VERSIONS, *OLD_ANSWERS)
)

_DELETE = text("""
DELETE FROM electeur WHERE id IN (
  SELECT id FROM electeur WHERE code_commune = :code_commune AND liste = :liste AND version = :version LIMIT :room)
""")


class ListeKey(NamedTuple):
    """One list of one commune."""

    code_commune: str
    liste: str


def stands() -> ColumnElement[bool]:
    """Test that an import is finished and was not undone."""
    return and_(Import.finished_at.is_not(None), Import.undone_at.is_(None))


def remove_obsolete(connection: Connection) -> int:
    """Remove the electors of obsolete versions, at most BATCH, in the caller's transaction; return their number.

    They come from an import that died or was undone, or were replaced by one too old to be undone. The caller holds the
    import lock.
    """
    removed = 0
    since = connection.scalar(select(utc_now(-UNDO_DAYS * 86_400)))
    for version in connection.execute(_OBSOLETE, {"since": since}).mappings().all():
        removed += connection.execute(_DELETE, {**version, "room": BATCH - removed}).rowcount
        if removed == BATCH:
            return removed
    connection.execute(delete(Import).where(Import.finished_at.is_(None)))
    for statement in _OLD_ANSWERS:
        connection.execute(statement, {"since": since})
    return removed


def discard_version(connection: Connection, version: int, listes: Iterable[ListeKey]) -> None:
    """Remove the staged electors of an import that was refused or previewed, in batches, then the import itself."""
    for liste in listes:
        key = {**liste._asdict(), "version": version, "room": BATCH}
        removed = BATCH
        while removed == BATCH:
            with connection.begin():
                removed = connection.execute(_DELETE, key).rowcount
    with connection.begin():
        connection.execute(delete(Import).where(Import.id == version))


def is_shown() -> ColumnElement[bool]:
    """Test that an elector has the version that the list points to."""
    return and_(
        ListeCommunale.code_commune == Electeur.code_commune,
        ListeCommunale.liste == Electeur.liste,
        ListeCommunale.version == Electeur.version,
    )


def is_on_liste(code_commune: str, liste: str, version: int) -> ColumnElement[bool]:
    """Select the electors of one version of a list."""
    return and_(
        Electeur.code_commune == code_commune, Electeur.liste == liste, Electeur.version == version
    )


def current_versions(connection: Connection) -> dict[ListeKey, int]:
    """Return the version that each list of the register points to."""
    columns = ListeCommunale.code_commune, ListeCommunale.liste, ListeCommunale.version
    return {
        ListeKey(commune, liste): version
        for commune, liste, version in connection.execute(select(*columns))
    }


def point_to(connection: Connection, versions: Mapping[ListeKey, int | None]) -> None:
    """Point each list to that version; None removes the list from the register."""
    is_it = and_(
        ListeCommunale.code_commune == bindparam("of_commune"),
        ListeCommunale.liste == bindparam("of_liste"),
    )
    former = [{"of_commune": liste.code_commune, "of_liste": liste.liste} for liste in versions]
    if former:
        connection.execute(delete(ListeCommunale).where(is_it), former)
    shown = [
        {**liste._asdict(), "version": version}
        for liste, version in versions.items()
        if version is not None
    ]
    if shown:
        connection.execute(insert(ListeCommunale), shown)


TEMPORARY = MetaData()
"""Metadata of the temporary tables, apart from those of the migrations."""

_RECORDED = MouvementRegistre.__table__
FIELDS = tuple(
    column.name
    for column in _RECORDED.columns
    if column.name not in {"id", "import_id", "doubt_id"}
)
"""The columns of a mouvement that its source fills in."""

STAGED = Table(
    "staged_mouvement",
    TEMPORARY,
    Column("rank", Integer, nullable=False),
    Column("electeur", BigInteger),
    *(Column(name, _RECORDED.c[name].type, nullable=_RECORDED.c[name].nullable) for name in FIELDS),
    prefixes=["TEMPORARY"],
)
"""The mouvements to record, in the order of `rank`: for a CSV file, its line number. `electeur`: the elector of a
mouvement that a comparison found."""


def create_temporary(connection: Connection, *tables: Table) -> None:
    """Create empty temporary tables, which end with the connection: see `importing`."""
    with reading_transaction(connection):
        TEMPORARY.create_all(connection, tables=tables, checkfirst=False)


def insert_all(
    connection: Connection, table: Table | type[DeclarativeBase], rows: Iterable[dict[str, Any]]
) -> None:
    """Insert the rows while they are read, in batches."""
    rest = iter(rows)
    while batch := list(islice(rest, BATCH)):
        connection.execute(insert(table), batch)


@contextmanager
def reading_transaction(connection: Connection) -> Iterator[None]:
    """Open a transaction that reads the register and writes temporary tables only, however long it lasts."""
    connection.execution_options(sqlite_begin="DEFERRED")
    try:
        with connection.begin():
            if (
                connection.dialect.name == "postgresql"
            ):  # with the memory of a small query it sorts whole lists on disk
                connection.execute(
                    text(
                        "SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true)"
                    )
                )
            yield
    finally:
        connection.execution_options(sqlite_begin="IMMEDIATE")


def record_mouvements(connection: Connection, import_id: int) -> int:
    """Insert the staged mouvements, with the id of that import; return their number."""
    fields: list[Any] = [STAGED.c[name] for name in FIELDS]
    ready = select(*fields, literal(import_id)).order_by(STAGED.c.rank)
    return connection.execute(
        insert(MouvementRegistre).from_select([*FIELDS, "import_id"], ready)
    ).rowcount
