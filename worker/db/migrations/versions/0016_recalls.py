"""What a file rests on, and why it is to be made again when that was taken back; who is told so."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte, UtcDateTime, utc_now

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UNIQUE = "ix_notification_recall_recipient"


def upgrade() -> None:
    """Add the table and the columns, and show them in the view."""
    op.create_table(
        "recall",
        sa.Column("id", _ID, primary_key=True),
        *(sa.Column(name, Texte, nullable=False) for name in ("code_commune", "because")),
        sa.Column("reason", Texte, nullable=False, server_default=sa.text("''")),
        sa.Column("recalled_by", Texte, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False, server_default=utc_now()),
        sa.Column("told_at", UtcDateTime),
        sa.Column("teller", Texte),
        *(sa.Column(name, UtcDateTime) for name in ("teller_lease", "tell_after")),
        sa.Column("tell_attempts", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_index("ix_recall_told_at", "recall", ["told_at"])
    for table, column in _columns():
        op.add_column(table, column)
    op.create_index(_UNIQUE, "notification", ["recall_id", "recipient"], unique=True)
    views.extend_view("derniers_exports", views.DERNIERS_EXPORTS_0016)


def downgrade() -> None:
    """Take them away; messages about recalls go with them."""
    op.execute("DROP VIEW derniers_exports")
    op.drop_index(_UNIQUE, "notification")
    op.execute("DELETE FROM notification WHERE recall_id IS NOT NULL")
    for table, column in _columns():
        op.drop_column(table, column.name)
    op.drop_index("ix_recall_told_at", "recall")
    op.drop_table("recall")
    op.execute(f"CREATE VIEW derniers_exports AS {views.DERNIERS_EXPORTS_0009}")


def _columns() -> Iterator[tuple[str, sa.Column[Any]]]:
    yield "export", sa.Column("rests_on", sa.JSON)
    yield "export", sa.Column("recall_id", _ID)
    yield "export", sa.Column("recall_published_at", UtcDateTime)
    yield "notification", sa.Column("recall_id", _ID)
