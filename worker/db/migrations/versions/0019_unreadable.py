"""An event that could not be read does not take its id: put right, it may be sent under the same."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_NAME = "uq_request_sender"
_COLUMNS = ["source", "event_id", "sender"]


def upgrade() -> None:
    """Make the index anew."""
    _make("code NOT IN ('key_reused', 'evenement_illisible')")


def downgrade() -> None:
    """As before; of what was refused for its form, the code is not a key's any more."""
    op.execute("UPDATE request SET code = 'key_reused' WHERE code = 'evenement_illisible'")
    _make("code <> 'key_reused'")


def _make(condition: str) -> None:
    where = sa.text(condition)
    op.drop_index(_NAME, "request")
    op.create_index(_NAME, "request", _COLUMNS, unique=True, postgresql_where=where, sqlite_where=where)
