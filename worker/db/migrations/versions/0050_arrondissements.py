"""An arrondissement of Paris, Lyon or Marseille is a part of its commune's list, which other imports wrote too."""

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Electors of before are of no known arrondissement: the next export of one of them is refused, and says why."""
    op.add_column("electeur", sa.Column("arrondissement", Texte, nullable=False, server_default=sa.text("''")))
    op.add_column("import_liste", sa.Column("parts", sa.JSON))


def downgrade() -> None:
    """As before."""
    op.drop_column("import_liste", "parts")
    op.drop_column("electeur", "arrondissement")
