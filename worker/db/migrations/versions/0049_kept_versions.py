"""A version of a list is kept as long as a file that is still there rests on it.

The view `kept_version` names these versions. The function of 0041 leaves them alone, as imports do.
"""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

_VIEW = """
CREATE VIEW kept_version AS
SELECT x.code_commune, x.liste, CAST(r.value ->> 'import_id' AS bigint) AS version
FROM export x, {each}(x.rests_on) r
WHERE x.status = 'ready' AND x.purged_at IS NULL AND x.recall_id IS NULL
"""
_RULE = """AND NOT EXISTS (SELECT 1 FROM kept_version k
    WHERE (k.code_commune, k.liste, k.version) = (h.code_commune, h.liste, h.version))
  """
_BEFORE = "AND (h.version IN (SELECT id FROM import)"


def upgrade() -> None:
    """Make the view, and have the function heed it."""
    is_server = op.get_bind().dialect.name == "postgresql"
    op.execute(_VIEW.format(each="json_array_elements" if is_server else "json_each"))
    _replace(_BEFORE, f"{_RULE}{_BEFORE}")


def downgrade() -> None:
    """Files do not keep versions."""
    _replace(_RULE, "")
    op.execute("DROP VIEW kept_version")


def _replace(words: str, others: str) -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        function = connection.scalar(sa.text("SELECT pg_get_functiondef('purge_versions'::regproc)"))
        connection.exec_driver_sql(function.replace(words, others).replace("%", "%%"))
