"""How tableaux are made known, and the certificate of it."""

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte, UtcDateTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table, and show it in the view."""
    op.create_table(
        "publication",
        sa.Column("export_id", _ID, nullable=False),
        sa.Column("mode", Texte, nullable=False),
        sa.Column("published_on", sa.Date, nullable=False),
        sa.Column("published_until", sa.Date),
        sa.Column("published_by", Texte, nullable=False),
        sa.Column("said_at", UtcDateTime, nullable=False),
        sa.Column("certified_on", sa.Date),
        sa.Column("certificat_name", Texte),
        sa.Column("certificat_size", sa.BigInteger),
        sa.Column("certificat_sha256", Texte),
        sa.PrimaryKeyConstraint("export_id", name="pk_publication"),
        sa.ForeignKeyConstraint(["export_id"], ["export.id"], name="fk_publication_export_id"),
        sa.CheckConstraint("mode IN ('affichage', 'consultation')", name="ck_publication_mode"),
    )
    views.extend_view("derniers_exports", views.DERNIERS_EXPORTS_0024)


def downgrade() -> None:
    """Take it away."""
    op.execute("DROP VIEW derniers_exports")
    op.drop_table("publication")
    op.execute(f"CREATE VIEW derniers_exports AS {views.DERNIERS_EXPORTS_0020}")
