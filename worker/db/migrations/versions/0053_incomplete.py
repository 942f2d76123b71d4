"""What is not known of a mouvement: its day, its motif. A tableau that lacks one is to be completed.

The mouvements of earlier comparisons bear the day of an export; from now on they are not dated.
"""

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

_OF_COMPARISONS = """
UPDATE mouvement SET is_dated = false WHERE import_id IN (SELECT import_id FROM import_liste)
"""


def upgrade() -> None:
    """Add the columns, and show them to the screen."""
    op.add_column("mouvement", sa.Column("is_dated", sa.Boolean, nullable=False, server_default=sa.true()))
    op.execute(_OF_COMPARISONS)
    op.add_column("export", sa.Column("a_completer", sa.Integer, nullable=False, server_default="0"))
    op.add_column("publication", sa.Column("reason", Texte, nullable=False, server_default=""))
    views.extend_view("derniers_exports", views.DERNIERS_EXPORTS_0048)
    op.execute("DROP VIEW motifs_notes")
    op.execute("DROP VIEW mouvements_sans_motif")
    op.execute(f"CREATE VIEW motifs_notes AS {views.MOTIFS_NOTES}")
    op.execute(f"CREATE VIEW mouvements_a_completer AS {views.MOUVEMENTS_A_COMPLETER}")


def downgrade() -> None:
    """As before."""
    for view in ("mouvements_a_completer", "motifs_notes", "derniers_exports"):
        op.execute(f"DROP VIEW {view}")
    op.drop_column("publication", "reason")
    op.drop_column("export", "a_completer")
    op.drop_column("mouvement", "is_dated")
    op.execute(f"CREATE VIEW derniers_exports AS {views.DERNIERS_EXPORTS_0024}")
    op.execute(f"CREATE VIEW mouvements_sans_motif AS {views.SANS_MOTIF}")
    op.execute(f"CREATE VIEW motifs_notes AS {views.MOTIFS_NOTES_0046}")
