"""Who did what with the files of a commune: the view `journal`, a page at a time."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, column, func, select, table

from producers.state import State, to_instant

PAGE = 50

_VIEW = table("journal", *(column(name) for name in ("at", "actor", "action", "code_commune", "export_id", "detail")))
_EXPORTS = table("derniers_exports", column("export_id"), column("label"))


@dataclass(frozen=True)
class Deed:
    """One line of the audit trail; `action` is a code, `label` that of the file, when it is about one."""

    at: datetime | None
    actor: str
    action: str
    export_id: int | None
    label: str | None
    detail: str


_DEEDS = select(_VIEW.c.at, _VIEW.c.actor, _VIEW.c.action, _VIEW.c.export_id, _VIEW.c.detail)
_NEWEST = _VIEW.c.at.desc(), _VIEW.c.export_id.desc()
_MOST_OF_A_FILE = 200


def read_journal(state: State, commune: str, *, action: str = "", page: int = 1) -> tuple[list[Deed], int]:
    """The lines of a page, the newest first, and how many there are in all.

    Raises:
        StateAwayError: the database did not answer.
    """
    conditions = [_VIEW.c.code_commune == commune, *([_VIEW.c.action == action] if action else [])]
    query = _DEEDS.where(*conditions).order_by(*_NEWEST).limit(PAGE).offset((page - 1) * PAGE)
    with state.reading() as connection:
        total: int = connection.execute(select(func.count()).select_from(_VIEW).where(*conditions)).scalar_one()
        return _to_deeds(connection, query), total


def read_history(state: State, commune: str, export_id: int) -> list[Deed]:
    """The last lines about one file, the newest first.

    Raises:
        StateAwayError: the database did not answer.
    """
    query = _DEEDS.where(_VIEW.c.code_commune == commune, _VIEW.c.export_id == export_id)
    with state.reading() as connection:
        return _to_deeds(connection, query.order_by(*_NEWEST).limit(_MOST_OF_A_FILE))


def _to_deeds(connection: Connection, query: Select[Any]) -> list[Deed]:
    rows = connection.execute(query).all()
    labels = _read_labels(connection, {row.export_id for row in rows})
    return [
        Deed(to_instant(row.at), row.actor, row.action, row.export_id, labels.get(row.export_id), row.detail)
        for row in rows
    ]


def _read_labels(connection: Connection, numbers: Collection[int]) -> dict[int, str]:
    """Asked for apart: joined, SQLite would read every file of every commune."""
    query = select(_EXPORTS.c.export_id, _EXPORTS.c.label).where(_EXPORTS.c.export_id.in_(numbers))
    return {row.export_id: row.label for row in connection.execute(query)} if numbers else {}
