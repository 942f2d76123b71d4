"""Who may ask for which commune, batches, purged and verified files, the audit trail."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from worker.db.migrations.views import (
    DEMANDES_0001,
    DEMANDES_0004,
    DERNIERS_EXPORTS_0003,
    DERNIERS_EXPORTS_0004,
    extend_view,
)
from worker.db.types import Texte, UtcDateTime, utc_now

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EMPTY = sa.text("''")
_EXPORT_COLUMNS: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("is_bulk", sa.Boolean, {"nullable": False, "server_default": sa.false()}),
    ("purged_at", UtcDateTime, {}),
    ("verified_at", UtcDateTime, {}),
)


def upgrade() -> None:
    """Add the columns and the tables, and show them in the views."""
    op.add_column("request", sa.Column("sender", Texte, nullable=False, server_default=_EMPTY))
    for name, kind, options in _EXPORT_COLUMNS:
        op.add_column("export", sa.Column(name, kind, **options))
    op.create_table(
        "sender",
        sa.Column("name", Texte, primary_key=True, nullable=False),
        sa.Column("code_commune", Texte, primary_key=True, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False, server_default=utc_now()),
        *(sa.Column(name, Texte, nullable=False) for name in ("actor", "action")),
        sa.Column("code_commune", Texte, nullable=False, server_default=_EMPTY),
        sa.Column("export_id", _ID),
        sa.Column("detail", Texte, nullable=False, server_default=_EMPTY),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    extend_view("derniers_exports", DERNIERS_EXPORTS_0004)
    extend_view("demandes", DEMANDES_0004)


def downgrade() -> None:
    """Drop them."""
    for view in ("demandes", "derniers_exports"):
        op.execute(f"DROP VIEW {view}")
    for name in ("audit", "sender"):
        op.drop_table(name)
    for name, _kind, _options in _EXPORT_COLUMNS:
        op.drop_column("export", name)
    op.drop_column("request", "sender")
    op.execute(f"CREATE VIEW derniers_exports AS {DERNIERS_EXPORTS_0003}")
    op.execute(f"CREATE VIEW demandes AS {DEMANDES_0001}")
