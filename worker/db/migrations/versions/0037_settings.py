"""What each process runs with is on record once per change: the digest of what was last said stands here."""

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "process",
        sa.Column("name", Texte, nullable=False),
        sa.Column("settings_hash", Texte, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_process")),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("process")
