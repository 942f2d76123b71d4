"""The trace that an event belongs to, kept for the events that answer it."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_COLUMNS = "traceparent", "tracestate"


def upgrade() -> None:
    """Empty for what was read before."""
    for name in _COLUMNS:
        op.add_column("request", sa.Column(name, sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """As before."""
    for name in _COLUMNS:
        op.drop_column("request", name)
