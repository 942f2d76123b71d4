"""How each file agrees with the list of the day; nothing is known of those that are made already."""

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and show it in the view."""
    op.add_column("export", sa.Column("reconciliation", sa.JSON(none_as_null=True)))
    views.extend_view("derniers_exports", views.DERNIERS_EXPORTS_0017)


def downgrade() -> None:
    """Take it away."""
    op.execute("DROP VIEW derniers_exports")
    op.drop_column("export", "reconciliation")
    op.execute(f"CREATE VIEW derniers_exports AS {views.DERNIERS_EXPORTS_0016}")
