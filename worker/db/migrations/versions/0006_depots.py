"""What is done with a file: downloads, deposits and their verdicts, differences; the views of the clerk's screen."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte, UtcDateTime, utc_now

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EMPTY = sa.text("''")
_EXPORT_COLUMNS: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("differences", sa.JSON, {}),
    ("downloaded_at", UtcDateTime, {}),
    ("downloaded_by", Texte, {"nullable": False, "server_default": _EMPTY}),
)
_OF_A_COMMUNE = ("export", "request")
"""The screen looks at the newest of one commune, each second while somebody does."""

_NEW_VIEWS = {
    "habilitations": views.HABILITATIONS_0006,
    "registres": views.REGISTRES_0006,
    "scrutins": views.SCRUTINS_0006,
    "reunions": views.REUNIONS_0006,
    "journal": views.JOURNAL_0006,
}


def upgrade() -> None:
    """Add the columns and the table, extend the views, add those that only the screen reads."""
    for name, kind, options in _EXPORT_COLUMNS:
        op.add_column("export", sa.Column(name, kind, **options))
    op.create_table(
        "depot",
        sa.Column("export_id", _ID, nullable=False),
        sa.Column("deposited_on", sa.Date, nullable=False),
        sa.Column("deposited_by", Texte, nullable=False),
        _empty_text("remarque"),
        sa.Column("declared_at", UtcDateTime, nullable=False, server_default=utc_now()),
        _empty_text("verdict"),
        sa.Column("verdict_on", sa.Date),
        _empty_text("verdict_by"),
        _empty_text("answer"),
        _empty_text("fingerprint_reason"),
        sa.Column("fingerprint_key", sa.LargeBinary),
        sa.Column("fingerprint", sa.LargeBinary),
        sa.PrimaryKeyConstraint("export_id", name="pk_depot"),
        sa.ForeignKeyConstraint(["export_id"], ["export.id"], name="fk_depot_export_id"),
        sa.CheckConstraint("verdict IN ('', 'accepte', 'rejete')", name="ck_depot_verdict"),
    )
    op.create_index("ix_audit_commune", "audit", ["code_commune", "at"])
    for table in _OF_A_COMMUNE:
        op.create_index(f"ix_{table}_commune", table, ["code_commune", "id"])
    op.drop_index("ix_export_recent", "export")
    views.extend_view("derniers_exports", views.DERNIERS_EXPORTS_0006)
    views.extend_view("demandes", views.DEMANDES_0006)
    for name, query in _NEW_VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    """Drop them."""
    for view in (*_NEW_VIEWS, "demandes", "derniers_exports"):
        op.execute(f"DROP VIEW {view}")
    op.create_index("ix_export_recent", "export", ["code_commune", "created_at"])
    for table in _OF_A_COMMUNE:
        op.drop_index(f"ix_{table}_commune", table)
    op.drop_index("ix_audit_commune", "audit")
    op.drop_table("depot")
    for name, _kind, _options in _EXPORT_COLUMNS:
        op.drop_column("export", name)
    op.execute(f"CREATE VIEW derniers_exports AS {views.DERNIERS_EXPORTS_0004}")
    op.execute(f"CREATE VIEW demandes AS {views.DEMANDES_0004}")


def _empty_text(name: str) -> sa.Column[str]:
    return sa.Column(name, Texte, nullable=False, server_default=_EMPTY)
