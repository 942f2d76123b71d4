"""The register of a commune counts who is no elector yet on its own civil day, overseas too."""

from alembic import op

from worker.db.migrations import views

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The columns stay the same."""
    views.extend_view("registres", views.registres(op.get_bind().dialect.name, youngest=0))


def downgrade() -> None:
    """The view stays: it has the same columns."""
