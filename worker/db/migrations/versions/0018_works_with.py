"""A database says with which former code it works, so that a release can be taken back without its database.

Beside its revision stands the oldest one whose code works on it. A migration only adds what code of before does not
see; one that takes something away, once no code in service uses it any more, says so by `BREAKS_FORMER`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

BREAKS_FORMER = True
"""Code of before does not know the column, and refuses every revision but its own."""


def upgrade() -> None:
    """Add the column; `migrate` fills it, once all migrations are made."""
    op.add_column("alembic_version", sa.Column("works_with", sa.String(4)))


def downgrade() -> None:
    """Take the column away."""
    op.drop_column("alembic_version", "works_with")
