"""Who is told of what, by which way; every message in one table; reminders of deadlines."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from worker.db.migrations import views
from worker.db.types import Texte, UtcDateTime, utc_now

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_EMPTY = sa.text("''")
_ALL = sa.text("'pret,echec,echeance'")

_HAS = "EXISTS (SELECT 1 FROM export e WHERE e.request_id = r.id AND e.status = '{status}')"
_KIND = f"""
CASE WHEN r.outcome = 'refused' THEN 'refus' WHEN {_HAS.format(status="failed")} THEN 'echec'
     WHEN {_HAS.format(status="ready")} THEN 'pret' ELSE 'annule' END
"""
_OLD = """
INSERT INTO notification (request_id, recipient, code_commune, subject, kind, channel, address, message_id, created_at,
                          attempts, settled_at, sent_at, refusal)
SELECT n.request_id, 'courriel:' || lower(n.email), r.code_commune,
       CASE WHEN r.outcome = 'refused' THEN 'Demande refusée' ELSE 'Résultat de la demande' END, {kind},
       'courriel', n.email, n.message_id, coalesce(n.sent_at, r.told_at, r.created_at),
       CASE WHEN n.sent_at IS NOT NULL OR n.refusal <> '' THEN 1 ELSE 0 END,
       coalesce(n.sent_at, CASE WHEN n.refusal <> '' THEN coalesce(r.told_at, r.created_at) END), n.sent_at, n.refusal
FROM moved_notification n JOIN request r ON r.id = n.request_id
WHERE NOT EXISTS (SELECT 1 FROM moved_notification o WHERE o.request_id = n.request_id AND o.email < n.email
                  AND lower(o.email) = lower(n.email))
"""
_BACK = """
INSERT INTO notification (request_id, email, message_id, sent_at, refusal)
SELECT request_id, address, message_id, sent_at, refusal FROM moved_notification
WHERE channel = 'courriel' AND request_id IS NOT NULL
"""


def upgrade() -> None:
    """Add the tables and the columns; keep what was told."""
    op.add_column("agent", sa.Column("kinds", Texte, nullable=False, server_default=_ALL))
    op.add_column("request", sa.Column("announced_at", UtcDateTime))
    op.execute("UPDATE request SET announced_at = told_at WHERE outcome = 'refused'")
    op.create_table(
        "recipient",
        sa.Column("id", Texte, primary_key=True, nullable=False),
        *(sa.Column(name, Texte, nullable=False) for name in ("code_commune", "channel", "address")),
        sa.Column("kinds", Texte, nullable=False, server_default=_ALL),
        _empty_text("secret"),
        sa.Column("created_at", UtcDateTime, nullable=False, server_default=utc_now()),
        sa.Column("disabled_at", UtcDateTime),
    )
    _create_reminders()
    _replace_notification(_create_notification, _OLD.format(kind=_KIND))
    _fold_keys()
    op.execute(f"CREATE VIEW envois AS {views.ENVOIS_0007}")


def downgrade() -> None:
    """Drop them; only what was mailed about requests stays."""
    op.execute("DROP VIEW envois")
    _replace_notification(_create_old_notification, _BACK)
    for name in ("reminder_echeance", "reminder", "recipient"):
        op.drop_table(name)
    op.drop_column("request", "announced_at")
    op.drop_column("agent", "kinds")


def _create_reminders() -> None:
    op.create_table(
        "reminder",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("code_commune", Texte, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("told_at", UtcDateTime),
        sa.Column("teller", Texte),
        *(sa.Column(name, UtcDateTime) for name in ("teller_lease", "tell_after")),
        sa.Column("tell_attempts", sa.Integer, nullable=False, server_default="0"),
        sa.UniqueConstraint("code_commune", "day", name="uq_reminder_code_commune_day"),
    )
    op.create_table(
        "reminder_echeance",
        *(sa.Column(name, Texte, nullable=False) for name in ("code_commune", "echeance")),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("days", sa.Integer, nullable=False, autoincrement=False),
        *(sa.Column(name, sa.Date, nullable=False) for name in ("until", "scrutin")),
        _empty_text("libelle"),
        sa.Column("reminder_id", _ID, nullable=False),
        sa.Column("published_at", UtcDateTime),
        sa.PrimaryKeyConstraint("code_commune", "echeance", "due_on", "days", name="pk_reminder_echeance"),
        sa.ForeignKeyConstraint(["reminder_id"], ["reminder.id"], name="fk_reminder_echeance_reminder_id"),
    )
    op.create_index("ix_reminder_echeance_reminder_id", "reminder_echeance", ["reminder_id"])


def _create_notification() -> None:
    op.create_table(
        "notification",
        sa.Column("id", _ID, primary_key=True),
        *(sa.Column(name, _ID) for name in ("request_id", "reminder_id")),
        *(sa.Column(name, Texte, nullable=False) for name in ("recipient", "code_commune")),
        _empty_text("subject"),
        *(sa.Column(name, Texte, nullable=False) for name in ("kind", "channel", "address", "message_id")),
        sa.Column("created_at", UtcDateTime, nullable=False, server_default=utc_now()),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        *(sa.Column(name, UtcDateTime) for name in ("not_before", "settled_at", "sent_at")),
        _empty_text("refusal"),
        sa.ForeignKeyConstraint(["request_id"], ["request.id"], name="fk_notification_request_id"),
        sa.ForeignKeyConstraint(["reminder_id"], ["reminder.id"], name="fk_notification_reminder_id"),
        sa.UniqueConstraint("request_id", "recipient", name="uq_notification_request_id_recipient"),
        sa.UniqueConstraint("reminder_id", "recipient", name="uq_notification_reminder_id_recipient"),
    )
    op.create_index("ix_notification_settled_at", "notification", ["settled_at"])
    op.create_index("ix_notification_commune", "notification", ["code_commune", "created_at"])


def _create_old_notification() -> None:
    op.create_table(
        "notification",
        sa.Column("request_id", _ID, nullable=False),
        *(sa.Column(name, Texte, nullable=False) for name in ("email", "message_id")),
        sa.Column("sent_at", UtcDateTime),
        _empty_text("refusal"),
        sa.PrimaryKeyConstraint("request_id", "email", name="pk_notification"),
        sa.ForeignKeyConstraint(["request_id"], ["request.id"], name="fk_notification_request_id"),
    )


def _replace_notification(create: Callable[[], None], refill: str) -> None:
    """By a copy of the rows alone: names of keys and of indexes are free again once the old table is gone."""
    op.execute("CREATE TABLE moved_notification AS SELECT * FROM notification")
    op.drop_table("notification")
    create()
    op.execute(refill)
    op.drop_table("moved_notification")


def _fold_keys() -> None:
    """Where the database's small letters are not Python's: accents."""
    connection = op.get_bind()
    for (address,) in connection.execute(sa.text("SELECT DISTINCT address FROM notification")).all():
        if not address.isascii():
            values = {"key": f"courriel:{address.casefold()}", "address": address}
            connection.execute(sa.text("UPDATE notification SET recipient = :key WHERE address = :address"), values)


def _empty_text(name: str) -> sa.Column[str]:
    return sa.Column(name, Texte, nullable=False, server_default=_EMPTY)
