"""From the tables of release 0.3.0 (revision 0044) to those of 1000.

A new database does not run it: `worker.db.migrate` creates its tables.
"""

from typing import Any

import sqlalchemy as sa
import structlog
from alembic import op

from schemas.envelope import CloudEvent
from schemas.events import name_request
from schemas.profiles.platform import read_shipped
from worker.access.models import last_day
from worker.db.migrate import add_decreed_scrutin
from worker.db.types import Base, UtcDateTime, utc_now

log = structlog.get_logger()

revision = "1000"
down_revision = None
branch_labels = None
depends_on = None

# PostgreSQL's names of keys, where a model has others.
_AUTOMATIC_KEYS = (
    *(
        "agent",
        "audit",
        "bureau",
        "commune",
        "doubt",
        "electeur",
        "export",
        "homonym",
        "import",
        "import_liste",
    ),
    *("liste", "notification", "preview", "recall", "recipient", "reminder", "request", "sender"),
)
_REFERENCES = {
    ("export", "export_request_id_fkey"): "fk_export_request_id",
    ("homonym", "homonym_import_id_fkey"): "fk_homonym_import_id",
    ("import_liste", "import_liste_import_id_fkey"): "fk_import_liste_import_id",
}
_IN_ORDER_OF_BYTES = {"listener": ("name", "routing_key"), "request": ("traceparent", "tracestate")}

_TYPE = "fr.openelec.prefecture.request.{}.v1"
_DECLARATIONS = {
    "file_downloaded": ("declaration", "downloaded"),
    "depot_declare": ("declaration", "deposited"),
    "depot_verdict": ("declaration", "verdict"),
    "publication_declare": ("declaration", "published"),
    "doubt_decide": ("declaration", "doubt"),
    "register_note": ("declaration", ""),
}
"""Former types of requests, with their present type and kind; the kind of a note was not recorded."""

_OF_COMPARISONS = (
    "UPDATE mouvement SET is_dated = false WHERE import_id IN (SELECT import_id FROM import_liste)"
)


def upgrade() -> None:
    for view in ("mouvements_sans_motif", "doutes_ouverts"):
        op.execute(f"DROP VIEW IF EXISTS {view}")
    op.execute("ALTER TABLE alembic_version DROP COLUMN works_with")
    _add_columns()
    _gather_pieces()
    add_decreed_scrutin(op.get_bind())
    _unchain_audit()
    op.execute(
        "UPDATE import SET taken_on = date(started_at) WHERE taken_on IS NULL AND kind = 'reu'"
    )
    # « Décision » did not tell whose: the motif is to be noted again.
    op.execute("UPDATE mouvement SET categorie = '' WHERE categorie = 'radiation_decision'")
    _change_types(op.get_bind())
    _move_to_work()
    _name_requests(op.get_bind())
    _gather_deadlines(op.get_bind())
    _give_tokens_rows()
    for table in ("answer", "copie"):
        Base.metadata.tables[table].create(op.get_bind())
    for table in ("dead_letters", "process"):
        op.drop_table(table)
    op.drop_table("parked")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION IF EXISTS lock_exports()")
        _follow_models()


# Ended requests without the instant of their end: of a declaration, a refusal, or a worker of an older release.
_COMPLETE = """
UPDATE request SET settled_at = CASE WHEN told_at IS NOT NULL THEN told_at WHEN outcome = 'refused' THEN created_at
  ELSE (SELECT max(finished_at) FROM export e WHERE e.request_id = request.id) END
WHERE settled_at IS NULL AND (told_at IS NOT NULL OR outcome = 'refused' OR (
  EXISTS (SELECT 1 FROM export e WHERE e.request_id = request.id) AND NOT EXISTS (
    SELECT 1 FROM export e WHERE e.request_id = request.id AND e.status IN ('queued', 'running'))))
"""
_OPEN = """
INSERT INTO work (kind, subject, lane, fair_tag)
SELECT kind, subject, lane, turn FROM (
  SELECT 1 AS rank, r.id, 'reply' AS kind, 'request:' || r.id AS subject,
    CAST(r.is_bulk AS integer) AS lane, r.turn
  FROM request r WHERE r.announced_at IS NULL
  UNION ALL
  SELECT 2, r.id, 'end', 'request:' || r.id, CAST(r.is_bulk AS integer), r.turn FROM request r
  WHERE r.settled_at IS NOT NULL AND r.told_at IS NULL
  UNION ALL
  SELECT 3, c.id, 'end', 'recall:' || c.id, 0, 0 FROM recall c WHERE c.told_at IS NULL
  UNION ALL
  SELECT 4, m.id, 'end', 'reminder:' || m.id, 1, 0 FROM reminder m WHERE m.told_at IS NULL
) due ORDER BY rank, id
"""
_PREVIEWS = """
INSERT INTO work (kind, subject, share, starts)
SELECT 'preview', 'preview:' || id, 'import ' || code_commune,
  CASE WHEN status IN ('queued', 'running', 'accepted', 'importing') THEN attempts ELSE 0 END
FROM preview WHERE status <> 'ready' AND erased_at IS NULL ORDER BY id
"""
_FILES = (
    """
INSERT INTO work (kind, subject, lane, share, fair_tag, starts, waits, error, created_at)
SELECT e.kind, 'export:' || e.id, CAST(e.is_bulk AS integer),
  CASE WHEN r.sender = 'ecran' THEN 'ecran ' || r.code_commune ELSE r.sender END,
  e.turn, e.attempts, e.retries, e.error_message, e.created_at
FROM export e JOIN request r ON r.id = e.request_id WHERE e.status IN ('queued', 'running') ORDER BY e.id
""",
    "UPDATE export SET status = 'queued' WHERE status = 'running'",
    "UPDATE export SET purged_at = NULL WHERE owner = 'purge' AND purged_at IS NOT NULL AND status <> 'queued'",
)
# A chat is served no more: a webhook reaches the same services.
_UNSENT_TO_CHATS = """
UPDATE notification SET settled_at = CURRENT_TIMESTAMP, refusal = 'les discussions ne sont plus servies'
WHERE settled_at IS NULL AND channel = 'discussion'
"""
_CHATS = "DELETE FROM recipient WHERE channel = 'discussion' RETURNING id, code_commune"
_UNSENT = """
INSERT INTO work (kind, subject, part, lane, fair_tag, starts, created_at)
SELECT CASE WHEN n.channel = 'courriel' THEN 'mail' ELSE 'webhook' END,
  CASE WHEN n.request_id IS NOT NULL THEN 'request:' || n.request_id
    WHEN n.recall_id IS NOT NULL THEN 'recall:' || n.recall_id ELSE 'reminder:' || n.reminder_id END,
  n.recipient, coalesce(CAST(r.is_bulk AS integer), 0), coalesce(r.turn, 0), n.attempts, n.created_at
FROM notification n LEFT JOIN request r ON r.id = n.request_id WHERE n.settled_at IS NULL ORDER BY n.id
"""
_FORMER_INDEXES = (
    *(
        "ix_request_unanswered",
        "ix_request_settled",
        "ix_request_progress",
        "ix_request_untold",
        "ix_request_turn",
    ),
    *("ix_request_share", "ix_recall_told_at", "ix_notification_settled_at", "ix_preview_unerased"),
    *("ix_export_turn", "ix_export_purge"),
)
_CLAIM = ("owner", "lease_until", "attempts", "not_before", "rung_at")
_LEASE = ("teller", "teller_lease", "tell_after", "tell_attempts")
_FORMER_COLUMNS = {
    "request": (
        *("announced_at", "answer_lease", "concluded_at", "progress_at", "reply_to", *_LEASE),
        *("is_bulk", "turn", "share"),
    ),
    "export": ("published_at", "recall_published_at", "retries", "turn", "is_bulk", *_CLAIM),
    "recall": ("told_at", *_LEASE),
    "reminder": ("told_at", *_LEASE),
    "notification": ("not_before", "may_be_copy", "message_id"),
    "depot": ("declared_at",),
    "preview": _CLAIM,
}


def _move_to_work() -> None:
    connection = op.get_bind()
    for view in ("demandes", "derniers_exports"):
        op.execute(f"DROP VIEW IF EXISTS {view}")
    for table in ("work", "early_cancel"):
        Base.metadata.tables[table].create(connection)
    for statement in (_COMPLETE, _OPEN, _UNSENT_TO_CHATS, _UNSENT, _PREVIEWS, *_FILES):
        op.execute(sa.text(statement.replace(":", "\\:")))
    _remove_chats(connection)
    op.execute("UPDATE request SET lane = CAST(is_bulk AS integer), fair_tag = turn")
    _close_parked(connection)
    for name in _FORMER_INDEXES:
        op.execute(f"DROP INDEX IF EXISTS {name}")
    for table, former, name in (
        ("request", "settled_at", "completed_at"),
        ("request", "told_at", "notified_at"),
        ("notification", "settled_at", "ended_at"),
    ):
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {former} TO {name}")
    for table, columns_of in _FORMER_COLUMNS.items():
        for column in columns_of:
            op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    for table in ("request", "notification", "export", "depot"):
        for index in Base.metadata.tables[table].indexes:
            index.create(connection, checkfirst=True)


def _remove_chats(connection: sa.Connection) -> None:
    """Name each removed chat for the operator, who tells its commune; an address is secret."""
    for removed in connection.exec_driver_sql(_CHATS):
        log.warning("chat_removed", recipient=removed.id, commune=removed.code_commune)


def _close_parked(connection: sa.Connection) -> None:
    """Answer the events that waited for another: no event waits any more.

    The cancellation of a whole request stays: the request ends cancelled when it arrives. Any other
    event is refused; its account may send it again.
    """
    parked = sa.table("parked", *map(sa.column, ("id", "sender")), sa.column("event", sa.JSON))
    early = Base.metadata.tables["early_cancel"]
    for sender, said in connection.execute(
        sa.select(parked.c.sender, parked.c.event).order_by(parked.c.id)
    ).all():
        event = CloudEvent.model_validate(said)
        is_early = event.type == _TYPE.format("cancel") and not event.data.get("exports")
        if is_early:
            named = event.data["request"]
            key = {"sender": sender, "source": named["source"], "event_id": named["id"]}
            by = {"requested_by": event.data["requested_by"]}
            if not connection.scalar(sa.select(early.c.sender).filter_by(**key)):
                connection.execute(sa.insert(early).values(**key, **by))
        refusal = {} if is_early else {"outcome": "refused", "code": "demande_introuvable"}
        reason = "" if is_early else _AGAIN
        _insert_request(
            connection, sender, event, {"outcome": "accepted", "code": ""} | refusal, reason
        )


_AGAIN = (
    "Ce que cet événement nomme n'est pas connu : renvoyez-le avec un « id » nouveau, une fois la "
    "demande acceptée."
)
_ANSWERED = """
INSERT INTO request (source, event_id, event_type, kind, correlation_id, traceparent, tracestate, code_commune,
  requested_by, created_at, sender, payload_hash, is_bulk, share, turn, lane, fair_tag, outcome, code, reason, faults,
  settled_at, told_at)
SELECT :source, :id, :type, :kind, :correlation, '', '', '', '', :now, :sender, '', :no, '', 0, 0, 0,
  :outcome, :code, :reason, NULL, :now, :now
RETURNING id
"""


def _insert_request(
    connection: sa.Connection, sender: str, event: CloudEvent, ended: dict[str, str], reason: str
) -> None:
    now = connection.scalar(sa.select(utc_now()))
    known = {"source": event.source, "id": event.id, "type": event.type, "sender": sender}
    kind = event.data.get("note", {}).get("kind", "")
    known |= {"correlation": event.correlationid, "reason": reason, "kind": kind}
    statement = sa.text(_ANSWERED).bindparams(
        sa.bindparam("now", type_=UtcDateTime()), sa.bindparam("no", type_=sa.Boolean())
    )
    number = connection.scalar(statement, known | ended | {"now": now, "no": False})
    work = Base.metadata.tables["work"]
    connection.execute(sa.insert(work).values(kind="reply", subject=f"request:{number}", lane=1))


def _name_requests(connection: sa.Connection) -> None:
    request = sa.table(
        "request", *map(sa.column, ("id", "sender", "source", "event_id", "payload_hash", "uuid"))
    )
    it = request.c
    known = sa.select(it.id, it.sender, it.source, it.event_id, it.payload_hash)
    for number, *named in connection.execute(known).all():
        named_by = sa.update(request).where(it.id == number)
        connection.execute(named_by.values(uuid=name_request(*named)))


def _gather_deadlines(connection: sa.Connection) -> None:
    fields = "echeance, due_on, until, scrutin, libelle, days"
    rows = connection.execute(
        sa.text(f"SELECT reminder_id, {fields} FROM reminder_echeance ORDER BY due_on")  # noqa: S608
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows.mappings():
        of_it = {
            name: it if isinstance(it, int) else str(it)
            for name, it in row.items()
            if name != "reminder_id"
        }
        found.setdefault(row["reminder_id"], []).append(of_it)
    reminder = sa.table("reminder", sa.column("id"), sa.column("echeances", sa.JSON()))
    for number, echeances in found.items():
        connection.execute(
            sa.update(reminder).where(reminder.c.id == number).values(echeances=echeances)
        )
    op.drop_table("reminder_echeance")


_TOKENS = """
INSERT INTO token (id, code_commune, name, secret_hash, created_at, revoked_at, ends_on)
SELECT t.id, c.code_commune, t.name, t.secret_hash, t.created_at, t.revoked_at, '{ends_on}'
FROM former_token t JOIN token_commune c ON c.token_id = t.id
"""


def _give_tokens_rows() -> None:
    op.execute("DROP VIEW IF EXISTS jetons")
    op.rename_table("token", "former_token")
    Base.metadata.tables["token"].create(op.get_bind())
    op.execute(_TOKENS.format(ends_on=last_day()))
    op.drop_table("token_commune")
    op.drop_table("former_token")


_NEW_COLUMNS = {
    "commune": ("mapping", "mairie"),
    "electeur": ("arrondissement", "ine"),
    "import_liste": ("parts", "absorbed_by", "absorbed_into", "mouvements_digest"),
    "scrutin": (
        "publication_due",
        "has_commission",
        "texte",
        "reunion_first",
        "reunion_last",
        "cinq_jours_due",
    ),
    "commission": ("has_deliberated",),
    "mouvement": ("is_dated", "doubt_id"),
    "doubt": ("modification_id",),
    "export": ("a_completer", "profile", "fault", "secteur"),
    "publication": ("reason", "withdrawn_on"),
    "reminder": ("echeances",),
    "request": ("kind", "lane", "fair_tag", "uuid"),
    "sender": ("acts",),
}


def _add_columns() -> None:
    for table, names in _NEW_COLUMNS.items():
        for name in names:
            it = Base.metadata.tables[table].c[name]
            default: Any = (
                it.server_default.arg if isinstance(it.server_default, sa.DefaultClause) else None
            )
            op.add_column(
                table, sa.Column(name, it.type, nullable=it.nullable, server_default=default)
            )
    export = sa.table("export", sa.column("profile", sa.JSON()), sa.column("kind"))
    record = read_shipped().record(
        of_liste=True
    )  # the files of 0.3.0 have the form that it still has
    op.get_bind().execute(sa.update(export).where(export.c.kind == "liste").values(profile=record))
    op.execute(_OF_COMPARISONS)  # their day is that of an export, not of a decision


def _unchain_audit() -> None:
    op.drop_table("audit_head")
    op.execute("ALTER TABLE audit DROP COLUMN chain")
    Base.metadata.tables["audit_unlogged"].create(op.get_bind())
    op.drop_index("uq_audit_word_agent", "audit_word")
    for former, name in (("sign", "key"), ("said", "words")):
        op.execute(f"ALTER TABLE audit_word RENAME COLUMN {former} TO {name}")
    op.execute("ALTER TABLE audit_word DROP COLUMN salt")
    for index in Base.metadata.tables["audit_word"].indexes:
        index.create(op.get_bind(), checkfirst=True)


def _change_types(connection: sa.Connection) -> None:
    """Change recorded requests, and events that wait for a deposit, to the types of the present contract."""
    request = sa.table("request", sa.column("event_type"), sa.column("kind"))
    for former, (name, kind) in _DECLARATIONS.items():
        renamed = sa.update(request).where(request.c.event_type == _TYPE.format(former))
        connection.execute(renamed.values(event_type=_TYPE.format(name), kind=kind))
    parked = sa.table("parked", sa.column("id"), sa.column("event", sa.JSON))
    for number, event in connection.execute(sa.select(parked.c.id, parked.c.event)).all():
        if event.get("type") == _TYPE.format("depot_verdict"):
            event |= {"type": _TYPE.format("declaration"), "data": _as_note(event["data"])}
            connection.execute(sa.update(parked).where(parked.c.id == number).values(event=event))


def _as_note(verdict: dict[str, Any]) -> dict[str, Any]:
    about = {name: verdict[name] for name in ("commune", "exports", "requested_by")}
    return about | {
        "note": {"kind": "verdict"}
        | {name: it for name, it in verdict.items() if name not in about}
    }


_MOVED = {
    "export": ("report_name", "report_size", "report_sha256"),
    "publication": ("certificat_name", "certificat_size", "certificat_sha256"),
}
"""Columns whose values move to the table `piece`."""

_PIECES = """
INSERT INTO piece (export_id, kind, file_name, size, sha256)
SELECT id, 'rapport', report_name, report_size, report_sha256 FROM export WHERE report_name IS NOT NULL
UNION ALL
SELECT export_id, 'certificat', certificat_name, certificat_size, certificat_sha256 FROM publication
WHERE certificat_name IS NOT NULL
UNION ALL
SELECT id, 'reconciliation', reconciliation -> 'proof' ->> 'name',
       CAST(reconciliation -> 'proof' ->> 'size' AS bigint), reconciliation -> 'proof' ->> 'sha256'
FROM export WHERE reconciliation -> 'proof' ->> 'name' IS NOT NULL
"""
_WITHOUT_PROOF = {
    "postgresql": "UPDATE export SET reconciliation = (reconciliation::jsonb - 'proof')::json",
    "sqlite": "UPDATE export SET reconciliation = json_remove(reconciliation, '$.proof')",
}


def _gather_pieces() -> None:
    op.execute("DROP VIEW IF EXISTS derniers_exports")  # it has the dropped columns
    Base.metadata.tables["piece"].create(op.get_bind())
    op.execute(_PIECES)
    op.execute(f"{_WITHOUT_PROOF[op.get_bind().dialect.name]} WHERE reconciliation IS NOT NULL")
    for table, columns in _MOVED.items():
        for column in columns:
            op.drop_column(table, column)


def _follow_models() -> None:
    """Rename keys, and set the collation of texts, as the models declare. SQLite names no key and has one collation."""
    keys = {(table, f"{table}_pkey"): f"pk_{table}" for table in _AUTOMATIC_KEYS}
    for (table, former), name in (keys | _REFERENCES).items():
        op.execute(f'ALTER TABLE "{table}" RENAME CONSTRAINT {former} TO {name}')
    for table, columns in _IN_ORDER_OF_BYTES.items():
        for column in columns:
            op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE text COLLATE "C"')
