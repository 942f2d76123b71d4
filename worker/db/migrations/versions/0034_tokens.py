"""Tokens by which programs take files over HTTP, and the view that the screen checks them in."""

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte, UtcDateTime, utc_now

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables and the view."""
    op.create_table(
        "token",
        sa.Column("id", Texte, primary_key=True),
        sa.Column("name", Texte, nullable=False),
        sa.Column("secret_hash", Texte, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False, server_default=utc_now()),
        sa.Column("revoked_at", UtcDateTime),
        sa.UniqueConstraint("name", name=op.f("uq_token_name")),
    )
    op.create_table(
        "token_commune",
        sa.Column("token_id", Texte, sa.ForeignKey("token.id", name=op.f("fk_token_commune_token_id_token"))),
        sa.Column("code_commune", Texte, nullable=False),
        sa.PrimaryKeyConstraint("token_id", "code_commune", name=op.f("pk_token_commune")),
    )
    op.execute(f"CREATE VIEW jetons AS {views.JETONS_0034}")


def downgrade() -> None:
    """Programs are not let in any more."""
    op.execute("DROP VIEW jetons")
    op.drop_table("token_commune")
    op.drop_table("token")
