"""Every event is answered: when the answer left, the reasons of a refusal one by one, when a request's end was said."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from worker.db.types import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_UNANSWERED = sa.text("announced_at IS NULL")


def upgrade() -> None:
    """Add the columns; what was accepted before, or told, is not answered again."""
    for column in _columns():
        op.add_column("request", column)
    op.execute(
        "UPDATE request SET announced_at = created_at "
        "WHERE announced_at IS NULL AND (outcome = 'accepted' OR told_at IS NOT NULL)"
    )
    op.create_index("ix_request_unanswered", "request", ["id"], postgresql_where=_UNANSWERED, sqlite_where=_UNANSWERED)


def downgrade() -> None:
    """Take them away."""
    op.drop_index("ix_request_unanswered", "request")
    for column in _columns():
        op.drop_column("request", column.name)


def _columns() -> Iterator[sa.Column[Any]]:
    yield sa.Column("faults", sa.JSON)
    yield sa.Column("answer_lease", UtcDateTime)
    yield sa.Column("concluded_at", UtcDateTime)
