"""A protection has a number, so that no event names an elector; an agent may have the right to see who is protected."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WHO = ("code_commune", "nom_naissance", "prenoms", "date_naissance")


def upgrade() -> None:
    """Make the table anew, and add the right."""
    _make_again(
        sa.Column("id", _ID, nullable=False, autoincrement=True),
        *_texts(),
        sa.PrimaryKeyConstraint("id", name="pk_protection"),
        sa.UniqueConstraint(*_WHO, name="uq_protection_" + "_".join(_WHO)),
    )
    op.add_column("agent", sa.Column("may_protect", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """As before."""
    op.drop_column("agent", "may_protect")
    _make_again(*_texts(), sa.PrimaryKeyConstraint(*_WHO, name="pk_protection"))


def _texts() -> Iterator[sa.Column[str]]:
    return (sa.Column(name, Texte, nullable=False) for name in _WHO)


def _make_again(*columns: sa.schema.SchemaItem) -> None:
    op.execute("CREATE TABLE protection_before AS SELECT * FROM protection")
    op.drop_table("protection")
    made = op.create_table("protection", *columns)
    before = sa.table("protection_before", *map(sa.column, _WHO))
    op.execute(sa.insert(made).from_select(_WHO, sa.select(*before.c).order_by(*before.c)))
    op.drop_table("protection_before")
