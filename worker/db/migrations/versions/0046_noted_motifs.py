"""The screen shows the motifs that were noted, so that a clerk corrects one; it showed what was left to note only."""

from alembic import op

from worker.db.migrations import views

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the view."""
    op.execute(f"CREATE VIEW motifs_notes AS {views.MOTIFS_NOTES}")


def downgrade() -> None:
    """As before."""
    op.execute("DROP VIEW motifs_notes")
