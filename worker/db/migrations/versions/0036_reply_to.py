"""Where else the sender of an event wants its answer."""

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_TABLES = "request", "parked"


def upgrade() -> None:
    """Nowhere else, of what was read before."""
    for name in _TABLES:
        op.add_column(name, sa.Column("reply_to", Texte, server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    """As before."""
    for name in _TABLES:
        op.drop_column(name, "reply_to")
