"""The imports of one list are found by it: undoing, dating and drawing a tableau ask for them."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_import_liste_liste", "import_liste", ["code_commune", "liste"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_import_liste_liste", "import_liste")
