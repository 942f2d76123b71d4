"""What each account of PostgreSQL may do with our tables, where these accounts exist (deploy/database/accounts.sql).

Granted again after each migration, since a view that is made anew has lost its grants.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

_REGISTER = "bureau, commission, commune, electeur, liste, mouvement, protection, scrutin"

GRANTS: Mapping[str, Sequence[tuple[str, str]]] = {
    "prefecture_worker": (
        ("SELECT", f"agent, alembic_version, doubt, import, import_liste, sender, {_REGISTER}"),
        # What an event decides of a doubt.
        ("UPDATE (decision, decided_at, decided_by, inscription_id, radiation_id)", "doubt"),
        ("DELETE, UPDATE (ancien_bureau, categorie, is_protegee, motif, nature)", "mouvement"),
        ("INSERT", "protection"),
        ("SELECT, INSERT, UPDATE", "depot, export, request"),
        ("SELECT, INSERT, UPDATE, DELETE", "parked"),
        ("INSERT", "audit"),
        ("USAGE", "SEQUENCE audit_id_seq, export_id_seq, parked_id_seq, request_id_seq"),
    ),
    # Of electors it sees nothing.
    "prefecture_notifier": (
        ("SELECT", "agent, alembic_version, commission, commune, export, liste, recall, recipient, request, scrutin"),
        ("UPDATE (owner, published_at, purged_at, recall_published_at, rung_at)", "export"),
        ("UPDATE (teller, teller_lease, tell_after, tell_attempts, told_at)", "recall"),
        ("UPDATE (announced_at, answer_lease, concluded_at)", "request"),
        ("UPDATE (teller, teller_lease, tell_after, tell_attempts, told_at)", "request"),
        ("SELECT, INSERT, UPDATE", "notification, reminder, reminder_echeance"),
        ("SELECT (id, due_at, rung_at), UPDATE (rung_at)", "parked"),
        ("UPDATE (disabled_at)", "recipient"),
        ("SELECT (export_id), UPDATE (answer)", "depot"),
        ("INSERT", "audit"),
        ("USAGE", "SEQUENCE audit_id_seq, notification_id_seq, reminder_id_seq"),
    ),
    "prefecture_lecture": (
        ("SELECT", "demandes, derniers_exports, envois, habilitations, journal, registres, reunions, scrutins"),
    ),
}
"""By account: rights, and on what."""

_OURS = """
SELECT string_agg(quote_ident(relname), ', ') FROM pg_class
WHERE relkind IN ('r', 'v') AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('request'))
AND relowner = (SELECT relowner FROM pg_class WHERE oid = to_regclass('request'))
"""


def grant(connection: Connection) -> None:
    """Give the accounts that exist these rights, and take all others away."""
    existing = set(connection.scalars(text("SELECT rolname FROM pg_roles")))
    ours = connection.scalar(text(_OURS))
    for account in sorted(GRANTS.keys() & existing):
        connection.execute(text(f"REVOKE ALL ON {ours} FROM {account}"))
        for rights, things in GRANTS[account]:
            connection.execute(text(f"GRANT {rights} ON {things} TO {account}"))
