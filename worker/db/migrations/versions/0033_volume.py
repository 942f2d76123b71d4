"""A volume bears the token of its installation: another directory in its place is no longer taken for it."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte, UtcDateTime

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, with a token for the exports volume, which gets it with its next file."""
    table = op.create_table(
        "volume",
        sa.Column("name", Texte, nullable=False),
        sa.Column("token", Texte, nullable=False),
        sa.Column("marked_at", UtcDateTime),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_volume")),
    )
    op.bulk_insert(table, [{"name": "exports", "token": uuid4().hex}])


def downgrade() -> None:
    """Take it away."""
    op.drop_table("volume")
