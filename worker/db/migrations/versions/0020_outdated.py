"""A file says that the register of its list was imported again since it was asked for."""

from alembic import op

from worker.db.migrations import views

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Show it in the view."""
    views.extend_view("derniers_exports", views.DERNIERS_EXPORTS_0020)


def downgrade() -> None:
    """Take it away."""
    op.execute("DROP VIEW derniers_exports")
    op.execute(f"CREATE VIEW derniers_exports AS {views.DERNIERS_EXPORTS_0017}")
