"""The audit trail is chained, and only added to: what is there gets its place in the chain, and triggers guard it."""

import hashlib
import json
from datetime import UTC

import sqlalchemy as sa
from alembic import op

from worker.db.types import Texte, UtcDateTime

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_SAID = "account", "actor", "action", "code_commune", "export_id", "detail"
_POSTGRESQL = (
    """
    CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    BEGIN
      IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM audit p WHERE p.action = 'audit_purged' AND CASE
          WHEN p.detail ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}[.]000 UTC$'
          THEN CAST(p.detail AS timestamptz) > OLD.at AND p.at - CAST(p.detail AS timestamptz) >= interval '30 days'
          ELSE false END
      ) THEN
        RETURN OLD;
      END IF;
      RAISE EXCEPTION 'the audit trail is only added to' USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    "CREATE TRIGGER keep_audit BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION keep_audit()",
    "CREATE TRIGGER keep_audit_whole BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION keep_audit()",
    """
    CREATE FUNCTION purge_audit(before timestamptz) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
    DECLARE
      first_kept bigint := (SELECT min(id) FROM audit WHERE at >= before);
      removed bigint;
    BEGIN
      UPDATE audit_head SET anchor = coalesce(
        (SELECT chain FROM audit WHERE id < first_kept ORDER BY id DESC LIMIT 1), anchor);
      DELETE FROM audit WHERE id < first_kept;
      GET DIAGNOSTICS removed = ROW_COUNT;
      RETURN removed;
    END $$
    """,
    "REVOKE ALL ON FUNCTION purge_audit(timestamptz) FROM PUBLIC",
)
_SQLITE = (
    """
    CREATE TRIGGER keep_audit BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END
    """,
    """
    CREATE TRIGGER keep_audit_whole BEFORE DELETE ON audit WHEN NOT EXISTS (
      SELECT 1 FROM audit p WHERE p.action = 'audit_purged' AND substr(p.detail, 1, 23) > OLD.at
      AND julianday(p.at) - julianday(substr(p.detail, 1, 23)) > 29.99
    ) BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END
    """,
    """
    CREATE TRIGGER keep_audit_number BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END
    """,
)


def upgrade() -> None:
    """Chain the lines that are there, then let nobody change them."""
    connection = op.get_bind()
    op.add_column("audit", sa.Column("chain", Texte, nullable=False, server_default=sa.text("''")))
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("chain", Texte, nullable=False, server_default=sa.text("''")),
        sa.Column("anchor", Texte, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    chain = _chain_lines(connection)
    connection.execute(sa.text("INSERT INTO audit_head (id, chain) VALUES (1, :chain)"), {"chain": chain})
    for statement in _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE:
        op.execute(statement)


def _chain_lines(connection: sa.Connection) -> str:
    before = ""
    audit = sa.table("audit", sa.column("at", UtcDateTime()), *(sa.column(name) for name in (*_SAID, "id", "chain")))
    query = sa.select(audit.c.id, audit.c.at, *(audit.c[name] for name in _SAID)).order_by(audit.c.id)
    for number, at, *said in connection.execute(query).all():
        instant = at.astimezone(UTC).isoformat(timespec="milliseconds")
        line = json.dumps([before, number, instant, *said], ensure_ascii=False)
        before = hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()
        connection.execute(sa.update(audit).where(audit.c.id == number).values(chain=before))
    return before


def downgrade() -> None:
    """Take the chain and its guards away."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in ("DROP TRIGGER keep_audit ON audit", "DROP TRIGGER keep_audit_whole ON audit"):
            op.execute(statement)
        op.execute("DROP FUNCTION keep_audit()")
        op.execute("DROP FUNCTION purge_audit(timestamptz)")
    else:
        for name in ("keep_audit", "keep_audit_whole", "keep_audit_number"):
            op.execute(f"DROP TRIGGER {name}")
    op.drop_table("audit_head")
    op.drop_column("audit", "chain")
