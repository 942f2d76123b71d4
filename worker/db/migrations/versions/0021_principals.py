"""Who acts is proved: which accounts are believed about the agent whom they name; the account of each line of audit."""

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; of the accounts that are there, that of the screen is believed, as `deploy/` calls it."""
    op.add_column("sender", sa.Column("speaks_for_agents", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute(sa.text("UPDATE sender SET speaks_for_agents = :yes WHERE name = 'ecran'").bindparams(yes=True))
    op.add_column("audit", sa.Column("account", Texte, nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    """Take them away."""
    op.drop_column("audit", "account")
    op.drop_column("sender", "speaks_for_agents")
