"""Files may be tableaux: which one, from which dates, how many pages."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from worker.db.migrations.views import DERNIERS_EXPORTS_0001, DERNIERS_EXPORTS_0003, extend_view
from worker.db.types import Texte

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and show them in the view."""
    for column in _columns():
        op.add_column("export", column)
    extend_view("derniers_exports", DERNIERS_EXPORTS_0003)


def downgrade() -> None:
    """Drop them; the tableaux leave the record, which the former release could not tell from lists."""
    op.execute("DROP VIEW derniers_exports")
    op.execute("DELETE FROM export WHERE kind <> 'liste'")
    for column in _columns():
        op.drop_column("export", column.name)
    op.execute(f"CREATE VIEW derniers_exports AS {DERNIERS_EXPORTS_0001}")


def _columns() -> Iterator[sa.Column[object]]:
    yield sa.Column("kind", Texte, nullable=False, server_default=sa.text("'liste'"))
    for name in ("type_tableau", "presentation", "edition"):
        yield sa.Column(name, Texte, nullable=False, server_default=sa.text("''"))
    yield sa.Column("parameters", sa.JSON, nullable=False, server_default=sa.text("'{}'"))
    yield sa.Column("pages", sa.Integer)
