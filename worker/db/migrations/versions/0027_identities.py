"""An agent is bound to the identity of her first login; an operator ends her sessions."""

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, in the view that the screen reads too."""
    op.add_column("agent", sa.Column("identity", Texte, nullable=False, server_default=sa.text("''")))
    op.add_column("agent", sa.Column("sessions_ended", sa.Integer, nullable=False, server_default="0"))
    views.extend_view("habilitations", views.HABILITATIONS_0027)


def downgrade() -> None:
    """Take them away."""
    op.execute("DROP VIEW habilitations")
    op.drop_column("agent", "sessions_ended")
    op.drop_column("agent", "identity")
    op.execute(f"CREATE VIEW habilitations AS {views.HABILITATIONS_0006}")
