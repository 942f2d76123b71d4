"""Versions of the lists. A version is the id of the import that wrote it; a list shows the one it points to.

The electors of other versions are seen by nobody. They are kept as long as imports can be undone, one after the other.
"""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, insert, select, text, update

from worker.db.types import UtcDateTime, utc_now
from worker.registre.models import Electeur, Import, ListeCommunale

BATCH = 5000
"""Electors written or removed in one transaction: SQLite has one writer at a time, workers must not wait for long."""

UNDO_DAYS = 30
"""How long an import can be undone: as long as a file of the exports volume is kept by default."""

_OBSOLETE = text("""
WITH RECURSIVE held AS (
  SELECT id, code_commune, liste, version FROM electeur
  WHERE id = (SELECT id FROM electeur ORDER BY code_commune, liste, version LIMIT 1)
  UNION ALL
  SELECT e.id, e.code_commune, e.liste, e.version FROM held h JOIN electeur e ON e.id = (
    SELECT n.id FROM electeur n WHERE (n.code_commune, n.liste, n.version) > (h.code_commune, h.liste, h.version)
    ORDER BY n.code_commune, n.liste, n.version LIMIT 1)
)
SELECT code_commune, liste, version FROM held h
WHERE NOT EXISTS (SELECT 1 FROM liste l
    WHERE (l.code_commune, l.liste, l.version) = (h.code_commune, h.liste, h.version))
  AND NOT EXISTS (SELECT 1 FROM import_liste b JOIN import i ON i.id = b.import_id
    WHERE (b.code_commune, b.liste, b.version_before) = (h.code_commune, h.liste, h.version)
      AND i.undone_at IS NULL AND i.finished_at >= :since)
  AND (h.version IN (SELECT id FROM import)
    OR EXISTS (SELECT 1 FROM import_liste b
      WHERE (b.code_commune, b.liste, b.version_before) = (h.code_commune, h.liste, h.version)))
""").bindparams(bindparam("since", type_=UtcDateTime))
"""Versions that nobody needs. `held` jumps along the index from one version to the next: it reads few electors.

A version that no import wrote or replaced belongs to a service that feeds the tables by SQL, and is left alone.
"""

_DELETE = text("""
DELETE FROM electeur WHERE id IN (
  SELECT id FROM electeur WHERE code_commune = :code_commune AND liste = :liste AND version = :version LIMIT :room)
""")


class ListeKey(NamedTuple):
    """One list of one commune."""

    code_commune: str
    liste: str


def can_be_undone() -> ColumnElement[bool]:
    """Where an import is finished, recent enough, and not undone yet: what it replaced is kept."""
    return and_(Import.undone_at.is_(None), Import.finished_at >= utc_now(-UNDO_DAYS * 86_400))


def remove_obsolete(connection: Connection) -> int:
    """Remove the electors that nobody needs, batch after batch; returns how many. The caller holds the import lock.

    They come from an import that died, was refused or undone, or were replaced by one that cannot be undone any more.
    """
    with connection.begin():
        since = connection.scalar(select(utc_now(-UNDO_DAYS * 86_400)))
        waiting = deque(row._asdict() for row in connection.execute(_OBSOLETE, {"since": since}))
    removed = 0
    while waiting:
        with connection.begin():
            removed += _remove_some(connection, waiting)
    with connection.begin():
        connection.execute(delete(Import).where(Import.finished_at.is_(None)))
    return removed


def _remove_some(connection: Connection, waiting: deque[dict[str, object]]) -> int:
    room = BATCH
    while waiting and room:
        count = connection.execute(_DELETE, {**waiting[0], "room": room}).rowcount
        if count < room:
            waiting.popleft()
        room -= count
    return BATCH - room


def is_shown() -> ColumnElement[bool]:
    """Where an elector is of the version that the list points to."""
    return and_(
        ListeCommunale.code_commune == Electeur.code_commune,
        ListeCommunale.liste == Electeur.liste,
        ListeCommunale.version == Electeur.version,
    )


def current_versions(connection: Connection) -> dict[ListeKey, int]:
    """The version that each list of the register points to."""
    columns = ListeCommunale.code_commune, ListeCommunale.liste, ListeCommunale.version
    return {ListeKey(commune, liste): version for commune, liste, version in connection.execute(select(*columns))}


def point_to(connection: Connection, versions: Mapping[ListeKey, int | None]) -> None:
    """Let each list show that version; None takes the list out of the register."""
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
