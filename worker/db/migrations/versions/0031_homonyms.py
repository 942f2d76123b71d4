"""What a comparison assumed of homonyms, and the two dates of birth of whoever was said to be one person."""

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXTS = ("code_commune", "liste", "nom_naissance", "prenoms", "date_naissance", "bureau_before", "bureau_after")
_BIRTHS = ("born_before", "born_after")


def upgrade() -> None:
    """Nothing is known of what was compared, and decided, before."""
    op.create_table(
        "homonym",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("import_id", _ID, sa.ForeignKey("import.id"), nullable=False),
        *(sa.Column(name, Texte, nullable=False, server_default=sa.text("''")) for name in _TEXTS),
        *(sa.Column(name, sa.Integer) for name in ("numero_before", "numero_after")),
    )
    op.create_index("ix_homonym_import_id", "homonym", ["import_id"])
    for name in _BIRTHS:
        op.add_column("doubt", sa.Column(name, Texte, nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    """Take them away."""
    for name in _BIRTHS:
        op.drop_column("doubt", name)
    op.drop_index("ix_homonym_import_id", "homonym")
    op.drop_table("homonym")
