"""What the register of a commune holds: the day each export was taken, and who on the list is no elector yet."""

from alembic import op

from worker.db.migrations import views

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Show them in the view."""
    views.extend_view("registres", views.registres(op.get_bind().dialect.name, youngest=0))


def downgrade() -> None:
    """As before."""
    op.execute("DROP VIEW registres")
    op.execute(f"CREATE VIEW registres AS {views.REGISTRES_0006}")
