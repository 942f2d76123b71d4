"""The functions and triggers of the database, which `migrate` replaces after each change of the tables.

PostgreSQL has functions for accounts without rights on a table: each function runs with the rights of the owner.
"""

from collections.abc import Iterable, Iterator

_RESET = "WHEN NEW.facts <> 1 BEGIN UPDATE electeur SET facts = 1 WHERE id = NEW.id; END"
_ABORT = "BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END"

# By table and name. The first resets the findings of an elector when any statement changes the row. The
# others refuse a change of the trail, except the removal of old lines that a line of the trail declares.
_SQLITE_TRIGGERS = {
    ("electeur", "electeur_changed"): f"AFTER {{changes}} FOR EACH ROW {_RESET}",
    ("audit", "keep_audit"): f"BEFORE UPDATE ON audit {_ABORT}",
    ("audit", "keep_audit_whole"): f"""BEFORE DELETE ON audit WHEN NOT EXISTS (
      SELECT 1 FROM audit p WHERE p.action = 'audit_purged' AND substr(p.detail, 1, 23) > OLD.at
      AND julianday(p.at) - julianday(substr(p.detail, 1, 23)) > 29.99
    ) {_ABORT}""",  # noqa: S608 — our own words
    ("audit", "keep_audit_number"): (
        f"BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) {_ABORT}"  # noqa: S608 — as above
    ),
}
_POSTGRESQL_TRIGGERS = {
    ("electeur", "electeur_changed"): "BEFORE {changes} FOR EACH ROW EXECUTE FUNCTION electeur_changed()",
    ("audit", "keep_audit"): "BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION keep_audit()",
    ("audit", "keep_audit_whole"): "BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION keep_audit()",
}

_OF_ELECTEUR_CHANGED = """
CREATE OR REPLACE FUNCTION electeur_changed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.facts := 1; RETURN NEW; END $$
"""

# By signature: result and body. `purge_versions` acquires the lock of imports (worker/registre/imports/history.py), so
# that it removes no rows of a running import.
_FUNCTIONS = {
    "keep_audit()": (
        "trigger",
        """
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
    END""",
    ),
    "last_settings(process text)": (
        "text",
        """
    BEGIN
      RETURN (SELECT a.detail FROM audit a WHERE a.action = 'settings_changed' AND a.code_commune = ''
        AND a.actor || ' ' || a.account = process ORDER BY a.at DESC, a.id DESC LIMIT 1);
    END""",
    ),
    "purge_audit(before timestamptz)": (
        "bigint",
        """
    DECLARE
      first_kept bigint := (SELECT min(id) FROM audit WHERE at >= before);
      removed bigint;
    BEGIN
      DELETE FROM audit WHERE id < first_kept;
      GET DIAGNOSTICS removed = ROW_COUNT;
      DELETE FROM audit_word w WHERE NOT EXISTS (SELECT FROM (
        SELECT (regexp_matches(a.actor || ' ' || a.detail, '((agent|texte)-[0-9a-f]{32})', 'g'))[1] AS pseudonym
        FROM audit a) kept WHERE kept.pseudonym = w.pseudonym);
      RETURN removed;
    END""",
    ),
    "purge_refused(numbers bigint[])": (
        "bigint",
        """
    DECLARE
      gone bigint[] := ARRAY(
        SELECT id FROM request
        WHERE id = ANY(numbers) AND outcome = 'refused' AND notified_at IS NOT NULL AND NOT EXISTS (
          SELECT FROM work w WHERE w.kind = 'reply' AND w.subject = 'request:' || request.id
            AND w.state IN ('due', 'held')));
    BEGIN
      DELETE FROM notification WHERE request_id = ANY(gone);
      DELETE FROM work WHERE subject = ANY(SELECT 'request:' || number FROM unnest(gone) number);
      DELETE FROM request WHERE id = ANY(gone);
      RETURN cardinality(gone);
    END""",
    ),
    "purge_versions(room bigint)": (
        "bigint",
        """
    DECLARE
      most bigint := least(room, 20000);
      removed bigint := 0;
      gone bigint;
      one record;
    BEGIN
      IF NOT pg_try_advisory_xact_lock(23157181063449936) THEN
        RETURN 0;
      END IF;
      FOR one IN
        WITH RECURSIVE held AS (
          SELECT id, code_commune, liste, version FROM electeur
          WHERE id = (SELECT id FROM electeur ORDER BY code_commune, liste, version LIMIT 1)
          UNION ALL
          SELECT e.id, e.code_commune, e.liste, e.version FROM held h JOIN electeur e ON e.id = (
            SELECT n.id FROM electeur n
            WHERE (n.code_commune, n.liste, n.version) > (h.code_commune, h.liste, h.version)
            ORDER BY n.code_commune, n.liste, n.version LIMIT 1)
        )
        SELECT code_commune, liste, version FROM held h
        WHERE NOT EXISTS (SELECT 1 FROM liste l
            WHERE (l.code_commune, l.liste, l.version) = (h.code_commune, h.liste, h.version))
          AND NOT EXISTS (SELECT 1 FROM import_liste b JOIN import i ON i.id = b.import_id
            WHERE (b.code_commune, b.liste, b.version_before) = (h.code_commune, h.liste, h.version)
              AND i.undone_at IS NULL AND i.finished_at >= now() - interval '30 days')
          AND NOT EXISTS (SELECT 1 FROM kept_version k
            WHERE (k.code_commune, k.liste, k.version) = (h.code_commune, h.liste, h.version))
          AND (h.version IN (SELECT id FROM import)
            OR EXISTS (SELECT 1 FROM import_liste b
              WHERE (b.code_commune, b.liste, b.version_before) = (h.code_commune, h.liste, h.version)))
      LOOP
        DELETE FROM electeur WHERE id IN (
          SELECT id FROM electeur
          WHERE code_commune = one.code_commune AND liste = one.liste AND version = one.version LIMIT most - removed);
        GET DIAGNOSTICS gone = ROW_COUNT;
        removed := removed + gone;
        EXIT WHEN removed >= most;
      END LOOP;
      DELETE FROM import WHERE finished_at IS NULL AND removed < most;
      RETURN removed;
    END""",
    ),
}


def function_statements(dialect: str, electeur: Iterable[str]) -> Iterator[str]:
    """Yield the statements that replace all functions and triggers, in the SQL of `postgresql` or `sqlite`.

    `electeur`: the columns of that table. An import that writes `facts` alone does not fire the trigger.
    """
    changes = f"UPDATE OF {', '.join(name for name in electeur if name != 'facts')} ON electeur"
    is_server = dialect == "postgresql"
    if is_server:
        yield _OF_ELECTEUR_CHANGED
    for signature, (result, body) in _FUNCTIONS.items() if is_server else ():
        yield (
            f"CREATE OR REPLACE FUNCTION {signature} RETURNS {result} LANGUAGE plpgsql SECURITY DEFINER"
            f" SET search_path FROM CURRENT AS $$ {body} $$"
        )
        yield f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC"
    for (table, name), event in (_POSTGRESQL_TRIGGERS if is_server else _SQLITE_TRIGGERS).items():
        yield f"DROP TRIGGER IF EXISTS {name}{f' ON {table}' if is_server else ''}"
        yield f"CREATE TRIGGER {name} {event.format(changes=changes)}"
