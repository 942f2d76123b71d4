"""The view `registres` does not count a person under 16 among the minors: such a date of birth is an anomaly."""

from alembic import op

from worker.db.migrations import views

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The same columns."""
    views.extend_view("registres", views.registres(op.get_bind().dialect.name, youngest=16))


def downgrade() -> None:
    """As before."""
    views.extend_view("registres", views.registres(op.get_bind().dialect.name, youngest=0))
