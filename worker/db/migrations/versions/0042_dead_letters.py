"""Dead letters are counted by account, so that none fills what is kept of all."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "dead_letters",
        sa.Column("queue", _TEXT, nullable=False),
        sa.Column("account", _TEXT, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("letters", sa.Integer, nullable=False, server_default="0"),
        sa.Column("size", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("dropped", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("queue", "account", "day", name=op.f("pk_dead_letters")),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("dead_letters")
