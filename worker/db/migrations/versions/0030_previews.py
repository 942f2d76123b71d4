"""Exports of the REU that arrive by the screen or a service: what each would change, and what became of it."""

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte, UtcDateTime, utc_now

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EMPTY = sa.text("''")
_ZERO = sa.text("0")


def upgrade() -> None:
    """Create the table and two views."""
    op.create_table(
        "preview",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("import_request_id", _ID),
        *(
            sa.Column(name, Texte, nullable=False)
            for name in ("code_commune", "arrival", "sha256", "file_name", "requested_by", "status")
        ),
        sa.Column("taken_on", sa.Date, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False, server_default=utc_now()),
        sa.Column("owner", Texte),
        *(sa.Column(name, sa.Integer, nullable=False, server_default=_ZERO) for name in ("attempts", "lines_read")),
        *(
            sa.Column(name, UtcDateTime)
            for name in ("lease_until", "not_before", "rung_at", "finished_at", "erased_at")
        ),
        sa.Column("found", sa.JSON),
        *(
            sa.Column(name, Texte, nullable=False, server_default=_EMPTY)
            for name in ("liste", "register_state", "reason")
        ),
        sa.Column("terms", sa.JSON, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("import_id", _ID),
        *(
            sa.ForeignKeyConstraint([name], ["request.id"], name=f"fk_preview_{name}")
            for name in ("request_id", "import_request_id")
        ),
    )
    unerased = sa.text("erased_at IS NULL")
    op.create_index("ix_preview_unerased", "preview", ["id"], postgresql_where=unerased, sqlite_where=unerased)
    for name in ("code_commune", "request_id", "import_request_id"):
        op.create_index(f"ix_preview_{name}", "preview", [name])
    op.execute(f"CREATE VIEW apercus AS {views.APERCUS_0030}")
    op.execute(f"CREATE VIEW imports AS {views.IMPORTS_0030}")


def downgrade() -> None:
    """Drop them; exports that wait in the arrivals folder are not told any more."""
    for view in ("imports", "apercus"):
        op.execute(f"DROP VIEW {view}")
    op.drop_table("preview")
