"""Radiations and inscriptions of one comparison that may be one person, and what was decided of them."""

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte, UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EMPTY = sa.text("''")


def upgrade() -> None:
    """Create the table: the comparisons of before are not asked again."""
    op.create_table(
        "doubt",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("import_id", _ID, nullable=False),
        *(sa.Column(name, Texte, nullable=False) for name in ("code_commune", "liste")),
        *(sa.Column(name, sa.BigInteger) for name in ("radiation_id", "inscription_id")),
        *(
            sa.Column(name, Texte, nullable=False, server_default=_EMPTY)
            for name in ("differs", "decision", "decided_by")
        ),
        sa.Column("decided_at", UtcDateTime),
        sa.ForeignKeyConstraint(["import_id"], ["import.id"], name="fk_doubt_import_id"),
    )
    op.create_index("ix_doubt_import_id", "doubt", ["import_id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("doubt")
