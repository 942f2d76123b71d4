"""Versions of the lists. A version is the id of the import that wrote it; a list shows the one it points to.

Other versions are kept while an undo needs them, or while a stored file rests on one: a tableau prints the number and
the address of a day, and counts the electors of a day.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
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
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from schemas.requests import UNDO_DAYS
from worker.db.types import UtcDateTime, utc_now
from worker.registre.models import Electeur, Import, ListeCommunale, MouvementRegistre

BATCH = 5000
"""Electors written or removed in one transaction: SQLite has one writer at a time, workers must not wait for long."""

OBSOLETE = text("""
WITH RECURSIVE held AS (
  SELECT id, code_commune, liste, version FROM electeur
  WHERE id = (SELECT id FROM electeur ORDER BY code_commune, liste, version LIMIT 1)
  UNION ALL
  SELECT e.id, e.code_commune, e.liste, e.version FROM held h JOIN electeur e ON e.id = (
    SELECT n.id FROM electeur n WHERE (n.code_commune, n.liste, n.version) > (h.code_commune, h.liste, h.version)
    ORDER BY n.code_commune, n.liste, n.version LIMIT 1)
)
SELECT code_commune, liste, version,
  EXISTS (SELECT 1 FROM import i WHERE i.id = h.version AND i.finished_at IS NULL) AS is_left FROM held h
WHERE NOT EXISTS (SELECT 1 FROM liste l
    WHERE (l.code_commune, l.liste, l.version) = (h.code_commune, h.liste, h.version))
  AND NOT EXISTS (SELECT 1 FROM import_liste b JOIN import i ON i.id = b.import_id
    WHERE (b.code_commune, b.liste, b.version_before) = (h.code_commune, h.liste, h.version)
      AND i.undone_at IS NULL AND i.finished_at >= :since)
  AND NOT EXISTS (SELECT 1 FROM kept_version k
    WHERE (k.code_commune, k.liste, k.version) = (h.code_commune, h.liste, h.version))
  AND (h.version IN (SELECT id FROM import)
    OR EXISTS (SELECT 1 FROM import_liste b
      WHERE (b.code_commune, b.liste, b.version_before) = (h.code_commune, h.liste, h.version)))
""").bindparams(bindparam("since", type_=UtcDateTime))
"""Versions that no list shows, no undo needs and no file rests on.

`held` jumps along the index from one version to the next: it reads few electors.

`is_left`: the version of an import that died or was refused, never shown. A version that no import wrote or replaced
belongs to a service that writes the tables by SQL, and stays. The view `kept_version` lists the versions that files
rest on. On PostgreSQL the function `purge_versions` contains the same words, for the account that cannot read electors:
`tests/integration/test_versions.py` compares them.
"""

_COUNT = text("""
SELECT count(*) FROM electeur WHERE code_commune = :code_commune AND liste = :liste AND version = :version
""")
_DELETE = text("""
DELETE FROM electeur WHERE id IN (
  SELECT id FROM electeur WHERE code_commune = :code_commune AND liste = :liste AND version = :version LIMIT :room)
""")


class ListeKey(NamedTuple):
    """One list of one commune."""

    code_commune: str
    liste: str


def can_be_undone() -> ColumnElement[bool]:
    """Test that an import is finished, recent enough and not undone yet: the versions it replaced are kept."""
    return and_(Import.undone_at.is_(None), Import.finished_at >= utc_now(-UNDO_DAYS * 86_400))


def stands() -> ColumnElement[bool]:
    """Test that an import is finished and was not undone."""
    return and_(Import.finished_at.is_not(None), Import.undone_at.is_(None))


OnImported = Callable[[Connection, int], object]
"""Called in the transaction of an import, with its id; an exception rolls everything back."""

OnRemoved = Callable[[Connection, int], object]
"""Called in a transaction before electors of former versions are removed, with their number, to record it."""


class Obsolete(NamedTuple):
    """A version that is not needed any more."""

    code_commune: str
    liste: str
    version: int
    is_left: bool


def find_obsolete(connection: Connection) -> list[Obsolete]:
    """Return the versions that are not needed any more."""
    since = connection.scalar(select(utc_now(-UNDO_DAYS * 86_400)))
    return [Obsolete(*row) for row in connection.execute(OBSOLETE, {"since": since})]


def remove_obsolete(connection: Connection, note: OnRemoved) -> int:
    """Remove the electors of obsolete versions in batches; return their number. The caller holds the import lock.

    They come from an import that died, was refused or undone, or were replaced by one too old to be undone.
    """
    with connection.begin():
        waiting = deque(find_obsolete(connection))
        former = sum(connection.execute(_COUNT, it._asdict()).scalar_one() for it in waiting if not it.is_left)
        if former:
            note(connection, former)
    removed = 0
    while waiting:
        with connection.begin():
            removed += remove_some(connection, waiting)
    with connection.begin():
        connection.execute(delete(Import).where(Import.finished_at.is_(None)))
    return removed


def remove_some(connection: Connection, waiting: deque[Obsolete]) -> int:
    """Remove a batch of the electors of these versions; remove versions without electors from `waiting`."""
    room = BATCH
    while waiting and room:
        count = connection.execute(_DELETE, {**waiting[0]._asdict(), "room": room}).rowcount
        if count < room:
            waiting.popleft()
        room -= count
    return BATCH - room


def is_shown() -> ColumnElement[bool]:
    """Test that an elector has the version that the list points to."""
    return and_(
        ListeCommunale.code_commune == Electeur.code_commune,
        ListeCommunale.liste == Electeur.liste,
        ListeCommunale.version == Electeur.version,
    )


def current_versions(connection: Connection) -> dict[ListeKey, int]:
    """Return the version that each list of the register points to."""
    columns = ListeCommunale.code_commune, ListeCommunale.liste, ListeCommunale.version
    return {ListeKey(commune, liste): version for commune, liste, version in connection.execute(select(*columns))}


def point_to(connection: Connection, versions: Mapping[ListeKey, int | None]) -> None:
    """Point each list to that version; None removes the list from the register."""
    current = current_versions(connection)
    is_it = and_(ListeCommunale.code_commune == bindparam("of_commune"), ListeCommunale.liste == bindparam("of_liste"))
    kept = {liste: version for liste, version in versions.items() if version is not None}
    for statement, rows in (
        (
            insert(ListeCommunale),
            [{**liste._asdict(), "version": kept[liste]} for liste in kept if liste not in current],
        ),
        (
            update(ListeCommunale).where(is_it),
            [{**_key(liste), "version": kept[liste]} for liste in kept if liste in current],
        ),
        (delete(ListeCommunale).where(is_it), [_key(liste) for liste in versions if liste not in kept]),
    ):
        if rows:
            connection.execute(statement, rows)


def _key(liste: ListeKey) -> dict[str, str]:
    return {"of_commune": liste.code_commune, "of_liste": liste.liste}


TEMPORARY = MetaData()
"""Metadata of the temporary tables, apart from those of the migrations."""

_RECORDED = MouvementRegistre.__table__
FIELDS = tuple(column.name for column in _RECORDED.columns if column.name not in {"id", "import_id"})
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

_SERVER = "SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true)"
"""Whole lists are grouped and sorted: with the memory of a small query, PostgreSQL would sort them on disk."""


@contextmanager
def temporary_tables(connection: Connection, *tables: Table) -> Iterator[None]:
    """Create empty temporary tables, for the time of the block."""
    _drop(connection, tables)
    with reading_transaction(connection):
        for table in tables:
            connection.execute(CreateTable(table))
    try:
        yield
    except BaseException:
        with suppress(DBAPIError):  # keeps the first error; the next import drops the tables too
            _drop(connection, tables)
        raise
    _drop(connection, tables)


@contextmanager
def reading_transaction(connection: Connection) -> Iterator[None]:
    """Open a transaction that reads the register and writes temporary tables only, however long it lasts."""
    connection.execution_options(sqlite_begin="DEFERRED")
    try:
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text(_SERVER))
            yield
    finally:
        connection.execution_options(sqlite_begin="IMMEDIATE")


def record_mouvements(connection: Connection, import_id: int) -> int:
    """Insert the staged mouvements, with the id of that import; return their number."""
    fields: list[Any] = [STAGED.c[name] for name in FIELDS]
    ready = select(*fields, literal(import_id)).order_by(STAGED.c.rank)
    return connection.execute(insert(MouvementRegistre).from_select([*FIELDS, "import_id"], ready)).rowcount


def _drop(connection: Connection, tables: Iterable[Table]) -> None:
    if not connection.invalidated:
        connection.rollback()
        with reading_transaction(connection):
            for table in tables:
                connection.execute(text(f"DROP TABLE IF EXISTS {table.name}"))
