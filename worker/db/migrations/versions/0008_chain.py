"""The chain of the exports: the day each was taken, whether it was compared; until when mouvements are complete.

What was imported before is a link dated by its import; it was compared if it left mouvements, else it is a gap.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_DAY = {"postgresql": "CAST(started_at AT TIME ZONE 'Europe/Paris' AS date)", "sqlite": "substr(started_at, 1, 10)"}


def upgrade() -> None:
    """Add the columns, and say what can be said of the imports that are there."""
    for table, column in _columns():
        op.add_column(table, column)
    op.execute(f"UPDATE import SET taken_on = {_DAY[op.get_bind().dialect.name]} WHERE kind = 'reu'")  # noqa: S608
    op.execute("""UPDATE import_liste SET is_compared = true WHERE EXISTS (
        SELECT 1 FROM mouvement m WHERE m.import_id = import_liste.import_id
        AND m.code_commune = import_liste.code_commune AND m.liste = import_liste.liste)""")


def downgrade() -> None:
    """Take the columns away."""
    for table, column in _columns():
        op.drop_column(table, column.name)


def _columns() -> Iterator[tuple[str, sa.Column[Any]]]:
    yield "import", sa.Column("taken_on", sa.Date)
    yield "import", sa.Column("is_dated", sa.Boolean, nullable=False, server_default=sa.false())
    yield "import", sa.Column("complete_until", sa.Date)
    yield "import_liste", sa.Column("is_compared", sa.Boolean, nullable=False, server_default=sa.false())
    yield "import_liste", sa.Column("not_compared_because", Texte, nullable=False, server_default=sa.text("''"))
