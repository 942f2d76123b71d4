"""A function removes the versions of the register that no import can bring back, for who sees no elector."""

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_OBSOLETE = """
WITH RECURSIVE held AS (
  SELECT id, code_commune, liste, version FROM electeur
  WHERE id = (SELECT id FROM electeur ORDER BY code_commune, liste, version LIMIT 1)
  UNION ALL
  SELECT e.id, e.code_commune, e.liste, e.version FROM held h JOIN electeur e ON e.id = (
    SELECT n.id FROM electeur n WHERE (n.code_commune, n.liste, n.version) > (h.code_commune, h.liste, h.version)
    ORDER BY n.code_commune, n.liste, n.version LIMIT 1)
)
SELECT code_commune, liste, version,
  EXISTS (SELECT 1 FROM import i WHERE i.id = h.version AND i.finished_at IS NULL) AS is_left FROM held h
WHERE NOT EXISTS (SELECT 1 FROM liste l
    WHERE (l.code_commune, l.liste, l.version) = (h.code_commune, h.liste, h.version))
  AND NOT EXISTS (SELECT 1 FROM import_liste b JOIN import i ON i.id = b.import_id
    WHERE (b.code_commune, b.liste, b.version_before) = (h.code_commune, h.liste, h.version)
      AND i.undone_at IS NULL AND i.finished_at >= now() - interval '30 days')
  AND (h.version IN (SELECT id FROM import)
    OR EXISTS (SELECT 1 FROM import_liste b
      WHERE (b.code_commune, b.liste, b.version_before) = (h.code_commune, h.liste, h.version)))
"""

# The lock is that of imports (worker/registre/imports/history.py): what one that is at work has written is not left.
_POSTGRESQL = (
    f"""
    CREATE FUNCTION purge_versions(room bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
    DECLARE
      most bigint := least(room, 20000);
      removed bigint := 0;
      gone bigint;
      one record;
    BEGIN
      IF NOT pg_try_advisory_xact_lock(23157181063449936) THEN
        RETURN 0;
      END IF;
      FOR one IN {_OBSOLETE} LOOP
        DELETE FROM electeur WHERE id IN (
          SELECT id FROM electeur
          WHERE code_commune = one.code_commune AND liste = one.liste AND version = one.version LIMIT most - removed);
        GET DIAGNOSTICS gone = ROW_COUNT;
        removed := removed + gone;
        EXIT WHEN removed >= most;
      END LOOP;
      DELETE FROM import WHERE finished_at IS NULL AND removed < most;
      RETURN removed;
    END $$
    """,  # noqa: S608 — our own words
    "REVOKE ALL ON FUNCTION purge_versions(bigint) FROM PUBLIC",
)


def upgrade() -> None:
    """Make it."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in _POSTGRESQL:
            op.execute(statement)


def downgrade() -> None:
    """Take it away."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION purge_versions(bigint)")
