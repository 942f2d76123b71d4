"""Days that a text fixes for a poll, meetings deemed not to have deliberated, and reminders that no poll calls for.

A decree may move the last day to publish the first tableau, or call for no meeting of the commission, as for the poll
of 30 June 2024. The yearly meeting has no poll (Code électoral, art. L. 19, III, and R. 10, al. 3).
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and show them in the views."""
    for table, added in _columns():
        op.add_column(table, added)
    views.extend_view("scrutins", views.SCRUTINS_WITH_DAYS)
    views.extend_view("reunions", views.REUNIONS_WITH_DELIBERATION)
    with op.batch_alter_table("reminder_echeance") as batch:
        batch.alter_column("scrutin", existing_type=sa.Date(), nullable=True)


def downgrade() -> None:
    """Remove the columns, and the reminders that no poll calls for."""
    for name, query in (("scrutins", views.SCRUTINS_0006), ("reunions", views.REUNIONS_0006)):
        op.execute(f"DROP VIEW {name}")
        op.execute(f"CREATE VIEW {name} AS {query}")
    op.execute("DELETE FROM reminder_echeance WHERE scrutin IS NULL")
    with op.batch_alter_table("reminder_echeance") as batch:
        batch.alter_column("scrutin", existing_type=sa.Date(), nullable=False)
    for table, added in _columns():
        op.drop_column(table, added.name)


def _columns() -> Iterator[tuple[str, sa.Column[Any]]]:
    yield "scrutin", sa.Column("publication_due", sa.Date)
    yield "scrutin", sa.Column("has_commission", sa.Boolean, nullable=False, server_default=sa.true())
    yield "scrutin", sa.Column("texte", Texte, nullable=False, server_default="")
    yield "commission", sa.Column("has_deliberated", sa.Boolean, nullable=False, server_default=sa.true())
