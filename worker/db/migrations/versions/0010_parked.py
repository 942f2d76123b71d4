"""Events that wait for what they name; when each deposit and each verdict was said, so that the last one counts."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte, UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INDEXED = ("waits_for", "due_at")


def upgrade() -> None:
    """Add the table and the columns."""
    op.create_table(
        "parked",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("sender", Texte, nullable=False),
        sa.Column("source", Texte, nullable=False),
        sa.Column("event_id", Texte, nullable=False),
        sa.Column("event", sa.JSON, nullable=False),
        sa.Column("waits_for", Texte, nullable=False),
        sa.Column("looks", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("rung_at", UtcDateTime),
        sa.UniqueConstraint("sender", "source", "event_id", name="uq_parked_sender_source_event_id"),
    )
    for column in _INDEXED:
        op.create_index(f"ix_parked_{column}", "parked", [column])
    for added in _columns():
        op.add_column("depot", added)


def downgrade() -> None:
    """Drop them."""
    for added in _columns():
        op.drop_column("depot", added.name)
    for column in _INDEXED:
        op.drop_index(f"ix_parked_{column}", "parked")
    op.drop_table("parked")


def _columns() -> Iterator[sa.Column[Any]]:
    yield sa.Column("said_at", UtcDateTime)
    yield sa.Column("verdict_said_at", UtcDateTime)
