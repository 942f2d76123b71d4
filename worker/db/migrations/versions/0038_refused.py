"""Refused requests are bounded, so they are found by account; a function removes them and nothing else."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_IS_REFUSED = sa.text("outcome = 'refused'")
_POSTGRESQL = (
    """
    CREATE FUNCTION purge_refused(numbers bigint[]) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
    DECLARE
      gone bigint[] := ARRAY(
        SELECT id FROM request
        WHERE id = ANY(numbers) AND outcome = 'refused' AND told_at IS NOT NULL AND announced_at IS NOT NULL);
    BEGIN
      DELETE FROM notification WHERE request_id = ANY(gone);
      DELETE FROM request WHERE id = ANY(gone);
      RETURN cardinality(gone);
    END $$
    """,
    "REVOKE ALL ON FUNCTION purge_refused(bigint[]) FROM PUBLIC",
)


def upgrade() -> None:
    """Add both."""
    op.create_index(
        "ix_request_refused",
        "request",
        ["sender", "id"],
        postgresql_where=_IS_REFUSED,
        sqlite_where=_IS_REFUSED,
    )
    if op.get_bind().dialect.name == "postgresql":
        for statement in _POSTGRESQL:
            op.execute(statement)


def downgrade() -> None:
    """Take them away."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION purge_refused(bigint[])")
    op.drop_index("ix_request_refused", "request")
