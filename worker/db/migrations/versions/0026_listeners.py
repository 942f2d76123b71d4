"""Who listens to our events: the queues that an operator declares, and what each hears."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table."""
    op.create_table(
        "listener",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("routing_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "routing_key", name=op.f("pk_listener")),
    )


def downgrade() -> None:
    """The queues stay in the broker."""
    op.drop_table("listener")
