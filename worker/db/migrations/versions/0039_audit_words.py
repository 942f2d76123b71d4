"""Names and texts of the trail stand beside it, and their signs in it: they can be forgotten (ADR 0039)."""

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_IS_OF_AGENT = sa.text("kind = 'agent'")
_PURGE = """
    CREATE OR REPLACE FUNCTION purge_audit(before timestamptz) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
    DECLARE
      first_kept bigint := (SELECT min(id) FROM audit WHERE at >= before);
      removed bigint;
    BEGIN
      UPDATE audit_head SET anchor = coalesce(
        (SELECT chain FROM audit WHERE id < first_kept ORDER BY id DESC LIMIT 1), anchor);
      DELETE FROM audit WHERE id < first_kept;
      GET DIAGNOSTICS removed = ROW_COUNT;
      {words}
      RETURN removed;
    END $$
"""
_WORDS = """
      DELETE FROM audit_word w WHERE NOT EXISTS (SELECT FROM (
        SELECT (regexp_matches(a.actor || ' ' || a.detail, '((agent|texte)-[0-9a-f]{32})', 'g'))[1] AS sign
        FROM audit a) kept WHERE kept.sign = w.sign);
"""


def upgrade() -> None:
    """Add the table, which the view for the screen reads too; the purge of lines takes what only they said."""
    op.create_table(
        "audit_word",
        sa.Column("sign", Texte, nullable=False),
        sa.Column("salt", Texte, nullable=False),
        sa.Column("kind", Texte, nullable=False),
        sa.Column("said", Texte, nullable=False),
        sa.Column("code_commune", Texte, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("sign", name=op.f("pk_audit_word")),
    )
    op.create_index(
        "uq_audit_word_agent",
        "audit_word",
        ["said"],
        unique=True,
        postgresql_where=_IS_OF_AGENT,
        sqlite_where=_IS_OF_AGENT,
    )
    views.extend_view("journal", views.JOURNAL_WITH_WORDS)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_PURGE.replace("{words}", _WORDS))


def downgrade() -> None:
    """Take it away: lines say signs from then on."""
    views.extend_view("journal", views.JOURNAL_WITH_NOTES)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_PURGE.replace("{words}", ""))
    op.drop_table("audit_word")
