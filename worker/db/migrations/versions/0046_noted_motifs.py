"""What the screen reads: the motifs that were noted, so that a clerk corrects one; it showed what was left only.

The last file of each kind of a commune, and the last deposits, are found without a look at all the others: « Dépôts »
of a commune that keeps 30,000 files took 310 ms, three quarters of it for these.
"""

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

_KIND = ("code_commune", "kind", "liste", "format", "type_tableau", "presentation", "edition", "id")
_IS_KEPT = sa.text("status = 'ready' AND purged_at IS NULL")


def upgrade() -> None:
    """Make a view and two indexes."""
    op.execute(f"CREATE VIEW motifs_notes AS {views.MOTIFS_NOTES_0046}")
    op.create_index("ix_export_current", "export", [*_KIND], postgresql_where=_IS_KEPT, sqlite_where=_IS_KEPT)
    op.create_index("ix_depot_deposited_on", "depot", ["deposited_on", "export_id"])


def downgrade() -> None:
    """As before."""
    op.drop_index("ix_depot_deposited_on", "depot")
    op.drop_index("ix_export_current", "export")
    op.execute("DROP VIEW motifs_notes")
