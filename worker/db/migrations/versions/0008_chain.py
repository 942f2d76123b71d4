"""The chain of the exports: the day each was taken, whether it was compared; until when mouvements are complete.

What was imported before is a link dated by its import; it was compared if it left mouvements, else it is a gap.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from common.calendrier import jour_a_paris
from worker.db.types import Texte, UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_IMPORT = sa.table(
    "import",
    sa.column("id", sa.Integer),
    sa.column("kind", sa.Text),
    sa.column("started_at", UtcDateTime),
    sa.column("taken_on", sa.Date),
)


def upgrade() -> None:
    """Add the columns, and say what can be said of the imports that are there."""
    for table, column in _columns():
        op.add_column(table, column)
    connection = op.get_bind()
    for number, started_at in connection.execute(sa.select(_IMPORT.c.id, _IMPORT.c.started_at)).all():
        is_export = (_IMPORT.c.id == number) & (_IMPORT.c.kind == "reu")
        connection.execute(sa.update(_IMPORT).where(is_export).values(taken_on=jour_a_paris(started_at)))
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
