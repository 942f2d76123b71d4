"""The day on which a published tableau was withdrawn."""

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the day, and show it in the view."""
    op.add_column("publication", sa.Column("withdrawn_on", sa.Date))
    views.extend_view("derniers_exports", views.DERNIERS_EXPORTS_0052)


def downgrade() -> None:
    """Remove the day, and the reminders to withdraw a tableau."""
    op.execute("DELETE FROM reminder_echeance WHERE echeance = 'retrait'")
    op.execute("DROP VIEW derniers_exports")
    with op.batch_alter_table("publication") as table:
        table.drop_column("withdrawn_on")
    op.execute(f"CREATE VIEW derniers_exports AS {views.DERNIERS_EXPORTS_0048}")
