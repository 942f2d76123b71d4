"""The trail that a commune reads says which exports of the REU were taken over; it said only which were undone."""

from worker.db.migrations import views

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Those of before are there too: their lines were always written, with a sign in the place of the file's name."""
    views.extend_view("journal", views.JOURNAL_WITH_IMPORTS)


def downgrade() -> None:
    """As before."""
    views.extend_view("journal", views.JOURNAL_WITH_WORDS)
