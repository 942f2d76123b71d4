"""A preview may be of what would change if an import were undone, or were of another day.

A function locks the exports, so that none is begun meanwhile: PostgreSQL wants the right to update the whole table for
that, and who undoes an import is to change a few columns only.
"""

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

_LOCK = """
CREATE FUNCTION lock_exports() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  LOCK TABLE export IN SHARE ROW EXCLUSIVE MODE;
END $$
"""


def upgrade() -> None:
    """Those of before are of exports that arrived."""
    op.add_column("preview", sa.Column("act", Texte, server_default=sa.text("'import'"), nullable=False))
    views.extend_view("apercus", views.APERCUS_WITH_ACT)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_LOCK)
        op.execute("REVOKE ALL ON FUNCTION lock_exports() FROM PUBLIC")


def downgrade() -> None:
    """An earlier release would look for their files."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION lock_exports()")
    op.execute("DROP VIEW apercus")
    op.execute("DELETE FROM preview WHERE act <> 'import'")
    op.drop_column("preview", "act")
    op.execute(f"CREATE VIEW apercus AS {views.APERCUS_0030}")
