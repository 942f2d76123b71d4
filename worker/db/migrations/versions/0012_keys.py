"""A request is identified by its account too; what its event said, so that another under the same key is refused."""

import re

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_UNIQUE = "uq_request_source_event_id"
_COLUMNS = ("payload_hash", "code")
_INDEXES = {
    "uq_request_sender": (["source", "event_id", "sender"], sa.text("code <> 'key_reused'")),
    "uq_request_payload": (["source", "event_id", "sender", "payload_hash"], None),
}
_RENAME = """
UPDATE request SET event_id = event_id || '#' || id
WHERE EXISTS (SELECT 1 FROM request o WHERE o.source = request.source AND o.event_id = request.event_id
              AND o.id < request.id)
"""


def upgrade() -> None:
    """Add the columns, and let two accounts use one id."""
    for name in _COLUMNS:
        op.add_column("request", sa.Column(name, Texte, nullable=False, server_default=sa.text("''")))
    _drop_unique()
    for name, (columns, where) in _INDEXES.items():
        op.create_index(name, "request", columns, unique=True, postgresql_where=where, sqlite_where=where)
    views.extend_view("demandes", views.DEMANDES_0012)


def downgrade() -> None:
    """Take them away; of requests with one source and id, those that came later get their number appended."""
    op.execute("DROP VIEW demandes")
    for name in _INDEXES:
        op.drop_index(name, "request")
    for name in _COLUMNS:
        op.drop_column("request", name)
    op.execute(_RENAME)
    op.create_index(_UNIQUE, "request", ["source", "event_id"], unique=True)
    op.execute(f"CREATE VIEW demandes AS {views.DEMANDES_0006}")


def _drop_unique() -> None:
    """SQLite can take a constraint off a table by making it anew only; its rows are referred to all the while."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.execute(f"ALTER TABLE request DROP CONSTRAINT IF EXISTS {_UNIQUE}")
        op.execute(f"DROP INDEX IF EXISTS {_UNIQUE}")
        return
    op.execute(f"DROP INDEX IF EXISTS {_UNIQUE}")
    of_table = "SELECT sql FROM sqlite_master WHERE tbl_name = 'request' AND type = :type AND sql IS NOT NULL"
    table = connection.execute(sa.text(of_table), {"type": "table"}).scalar_one()
    indexes = connection.execute(sa.text(of_table), {"type": "index"}).scalars().all()
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute("CREATE TABLE moved_request AS SELECT * FROM request")
    op.execute("DROP TABLE request")
    op.execute(re.sub(rf",\s*CONSTRAINT {_UNIQUE} UNIQUE \(source, event_id\)", "", table))
    op.execute("INSERT INTO request SELECT * FROM moved_request")
    op.execute("DROP TABLE moved_request")
    for index in indexes:
        op.execute(index)
