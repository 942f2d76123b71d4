"""Requests whose sender wants to hear how far their files are, and when he last did; found without the others."""

import sqlalchemy as sa
from alembic import op

from worker.db.types import UtcDateTime

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

_WANTS_PROGRESS = sa.text("progress_at IS NOT NULL AND settled_at IS NULL")


def upgrade() -> None:
    """Add the column and its index."""
    op.add_column("request", sa.Column("progress_at", UtcDateTime))
    op.create_index(
        "ix_request_progress",
        "request",
        ["id"],
        postgresql_where=_WANTS_PROGRESS,
        sqlite_where=_WANTS_PROGRESS,
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_index("ix_request_progress", "request")
    op.drop_column("request", "progress_at")
