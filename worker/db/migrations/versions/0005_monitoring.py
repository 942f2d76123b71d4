"""What is counted for Prometheus is found by its instant: the requests just read, the files just settled."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INSTANTS = {"request": "created_at", "export": "finished_at"}


def upgrade() -> None:
    """Add the indexes."""
    for table, column in _INSTANTS.items():
        op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    """Drop them."""
    for table, column in _INSTANTS.items():
        op.drop_index(f"ix_{table}_{column}", table)
