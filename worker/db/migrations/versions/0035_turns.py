"""Whose turn it is stands on requests and files, with indexes of what waits, by turn (worker.exports.lease)."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_WAITS = "settled_at IS NULL AND told_at IS NULL"
_INDEXES = (
    ("ix_request_unanswered", "request", ["is_bulk", "id"], "announced_at IS NULL"),
    ("ix_request_settled", "request", ["is_bulk", "turn", "id"], "settled_at IS NOT NULL AND told_at IS NULL"),
    ("ix_request_turn", "request", ["is_bulk", "turn"], _WAITS),
    ("ix_request_share", "request", ["share", "turn"], _WAITS),
    ("ix_export_turn", "export", ["kind", "is_bulk", "turn", "id"], "status = 'queued'"),
)
_BEFORE = _INDEXES[:2]
_MARK_BULK = """
UPDATE request SET is_bulk = EXISTS (SELECT 1 FROM export WHERE export.request_id = request.id AND export.is_bulk)
WHERE told_at IS NULL
"""


def upgrade() -> None:
    """Add the columns; what waits now keeps the order in which it was asked for."""
    for table, column in _columns():
        op.add_column(table, column)
    op.execute(_MARK_BULK)
    for name, table, *_ in _BEFORE:
        op.drop_index(name, table)
    for name, table, columns, condition in _INDEXES:
        where = sa.text(condition)
        op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    """Take them away."""
    for name, table, *_ in _INDEXES:
        op.drop_index(name, table)
    for table, column in _columns():
        op.drop_column(table, column.name)
    for name, table, _, condition in _BEFORE:
        where = sa.text(condition)
        op.create_index(name, table, ["id"], postgresql_where=where, sqlite_where=where)


def _columns() -> Iterator[tuple[str, sa.Column[Any]]]:
    yield "request", sa.Column("is_bulk", sa.Boolean, nullable=False, server_default=sa.false())
    yield "request", sa.Column("share", Texte, nullable=False, server_default=sa.text("''"))
    yield "request", sa.Column("turn", sa.BigInteger, nullable=False, server_default="0")
    yield "export", sa.Column("turn", sa.BigInteger, nullable=False, server_default="0")
