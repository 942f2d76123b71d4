"""The trail that a commune reads says when all that is kept of her was saved in a file, or put back from one."""

from worker.db.migrations import views

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Lines of before name no commune, and stay with the operator."""
    views.extend_view("journal", views.JOURNAL_WITH_BACKUPS)


def downgrade() -> None:
    """As before."""
    views.extend_view("journal", views.JOURNAL_WITH_IMPORTS)
