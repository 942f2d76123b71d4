"""When a request was settled stands on its row: who looks for what is to be told reads no history."""

import sqlalchemy as sa
from alembic import op

from worker.db.types import UtcDateTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_request_settled", "request", "id", "settled_at IS NOT NULL AND told_at IS NULL"),
    ("ix_export_purge", "export", "id", "owner = 'purge'"),
    ("ix_export_recall", "export", "recall_id", "recall_id IS NOT NULL"),
    ("ix_export_unfinished", "export", "id", "status IN ('queued', 'running')"),
)
_SETTLE = """
UPDATE request
SET settled_at = coalesce((SELECT max(finished_at) FROM export WHERE export.request_id = request.id), created_at)
WHERE outcome = 'refused' OR EXISTS (SELECT 1 FROM export WHERE export.request_id = request.id)
AND NOT EXISTS (SELECT 1 FROM export WHERE export.request_id = request.id AND export.status IN ('queued', 'running'))
"""


def upgrade() -> None:
    """Add the column, filled for what has ended."""
    op.add_column("request", sa.Column("settled_at", UtcDateTime))
    op.execute(_SETTLE)
    for name, table, column, condition in _INDEXES:
        where = sa.text(condition)
        op.create_index(name, table, [column], postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    """Take it away: the release before looks at the files."""
    for name, table, *_ in _INDEXES:
        op.drop_index(name, table)
    op.drop_column("request", "settled_at")
