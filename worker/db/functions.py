"""The functions, triggers and views of the database, which `migrate` replaces after each change of the tables.

PostgreSQL has functions for accounts without rights on a table: each function runs with the rights of the owner.

The views that producers and the screen read are a contract (docs/reference.md). PostgreSQL replaces a view only if its
former columns keep their order: new columns are appended.
"""

from collections.abc import Iterable, Iterator, Mapping

from common.calendrier import MAJORITE, OVERSEAS, YOUNGEST
from schemas.file_state import STATE_RULES
from schemas.vocabulary import ExportStatus

_RESET = "WHEN NEW.facts <> 1 BEGIN UPDATE electeur SET facts = 1 WHERE id = NEW.id; END"
_COMPLETE = "WHEN NEW.facts NOT IN (1, 4) BEGIN UPDATE electeur SET facts = 4 WHERE id = NEW.id AND facts <> 1; END"
_ABORT = "BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END"

# By table and name. The first resets the findings of an elector when any statement changes the row; the second, when
# it changes what no export of the REU has (`_COMPLETED`), which leaves the elector as the import found them. The
# others refuse a change of the trail, except the removal of old lines that a line of the trail declares, and name new
# lines to the notifier. The purge removes a line that a clock, or an account, dated in the future with its neighbours.
_SQLITE_TRIGGERS = {
    ("electeur", "electeur_changed"): f"AFTER {{changes}} FOR EACH ROW {_RESET}",
    ("electeur", "electeur_completed"): f"AFTER {{completions}} FOR EACH ROW {_COMPLETE}",
    ("audit", "keep_audit"): f"BEFORE UPDATE ON audit {_ABORT}",
    ("audit", "keep_audit_whole"): f"""BEFORE DELETE ON audit WHEN NOT EXISTS (
      SELECT 1 FROM audit p WHERE p.action = 'audit_purged'
      AND (substr(p.detail, 1, 23) > OLD.at OR julianday(OLD.at) > julianday('now'))
      AND julianday('now') - julianday(substr(p.detail, 1, 23)) > 29.99
    ) {_ABORT}""",  # noqa: S608 — our own words
    ("audit", "keep_audit_number"): (
        # -1 here is a number that is not given yet
        f"BEFORE INSERT ON audit WHEN NEW.id < -1 OR EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) {_ABORT}"  # noqa: S608
    ),
    (
        "audit",
        "note_unlogged",
    ): "AFTER INSERT ON audit BEGIN INSERT INTO audit_unlogged (id) VALUES (NEW.id); END",
}
_POSTGRESQL_TRIGGERS = {
    (
        "electeur",
        "electeur_changed",
    ): "BEFORE {changes} FOR EACH ROW EXECUTE FUNCTION electeur_changed()",
    (  # PostgreSQL runs triggers in the order of their names
        "electeur",
        "electeur_completed",
    ): "BEFORE {completions} FOR EACH ROW EXECUTE FUNCTION electeur_completed()",
    (
        "audit",
        "keep_audit",
    ): "BEFORE INSERT OR UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION keep_audit()",
    (
        "audit",
        "keep_audit_whole",
    ): "BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION keep_audit()",
    (
        "audit",
        "note_unlogged",
    ): "AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION note_unlogged()",
}

_OF_ELECTEUR_CHANGED = """
CREATE OR REPLACE FUNCTION electeur_changed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.facts := 1; RETURN NEW; END $$
"""
_OF_ELECTEUR_COMPLETED = """
CREATE OR REPLACE FUNCTION electeur_completed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF NEW.facts <> 1 THEN NEW.facts := 4; END IF; RETURN NEW; END $$
"""

_COMPLETED = "numero_general", "type_voie"
"""Columns of an elector that no export of the REU has, and that a service may add."""

OBSOLETE_VERSIONS = """
WITH RECURSIVE held AS (
  SELECT id, code_commune, liste, version FROM electeur
  WHERE id = (SELECT id FROM electeur ORDER BY code_commune, liste, version LIMIT 1)
  UNION ALL
  SELECT e.id, e.code_commune, e.liste, e.version FROM held h JOIN electeur e ON e.id = (
    SELECT n.id FROM electeur n WHERE (n.code_commune, n.liste, n.version) > (h.code_commune, h.liste, h.version)
    ORDER BY n.code_commune, n.liste, n.version LIMIT 1)
)
SELECT code_commune, liste, version FROM held h
WHERE NOT EXISTS (SELECT 1 FROM liste l
    WHERE (l.code_commune, l.liste, l.version) = (h.code_commune, h.liste, h.version))
  AND NOT EXISTS (SELECT 1 FROM import_liste b JOIN import i ON i.id = b.import_id
    WHERE (b.code_commune, b.liste, b.version_before) = (h.code_commune, h.liste, h.version)
      AND i.undone_at IS NULL AND i.finished_at >= {since})
  AND NOT EXISTS (SELECT 1 FROM kept_version k
    WHERE (k.code_commune, k.liste, k.version) = (h.code_commune, h.liste, h.version))
  AND (h.version IN (SELECT id FROM import)
    OR EXISTS (SELECT 1 FROM import_liste b
      WHERE (b.code_commune, b.liste, b.version_before) = (h.code_commune, h.liste, h.version)))
"""
"""Versions that no list shows, no undo since `since` needs and no file rests on.

`held` jumps along the index from one version to the next: it reads few electors. A version that no import wrote or
replaced belongs to a service that writes the tables by SQL, and stays.
"""

_UNDONE_BEFORE = "import_id IN (SELECT id FROM import WHERE undone_at < {since})"
OLD_ANSWERS = [f"DELETE FROM {table} WHERE {_UNDONE_BEFORE}" for table in ("doubt", "mouvement")]  # noqa: S608 — ours
"""Delete the answers of agents that imports left when they were undone before `since`."""

_MONTH_AGO = "now() - interval '30 days'"

# By signature: result and body. `purge_versions` acquires the lock of imports (worker/registre/imports/history.py), so
# that it removes no rows of a running import.
_FUNCTIONS = {
    "keep_audit()": (
        "trigger",
        """
    BEGIN
      IF TG_OP = 'INSERT' AND length(NEW.account || NEW.actor || NEW.action || NEW.code_commune) < 2000
        AND length(NEW.detail) < 4000000 AND EXISTS (
        SELECT FROM audit_id_seq WHERE NEW.id > greatest(last_value - 1000, 0) AND NEW.id <= last_value
      ) THEN
        RETURN NEW;  -- an old number would fill a gap, a future one belongs to another act
      END IF;
      IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM audit p WHERE p.action = 'audit_purged' AND CASE
          WHEN p.detail ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}[.]000 UTC$'
          THEN (CAST(p.detail AS timestamptz) > OLD.at OR OLD.at > now())
            AND now() - CAST(p.detail AS timestamptz) >= interval '30 days'
          ELSE false END
      ) THEN
        RETURN OLD;
      END IF;
      RAISE EXCEPTION 'the audit trail is only added to' USING ERRCODE = 'insufficient_privilege';
    END""",
    ),
    "note_unlogged()": (
        "trigger",
        "BEGIN INSERT INTO audit_unlogged (id) VALUES (NEW.id); RETURN NULL; END",
    ),
    "purge_audit(before timestamptz)": (
        "bigint",
        """
    DECLARE
      first_kept bigint := (SELECT min(id) FROM audit WHERE at BETWEEN before AND now());
      removed bigint;
    BEGIN
      DELETE FROM audit WHERE id < first_kept;
      GET DIAGNOSTICS removed = ROW_COUNT;
      DELETE FROM audit_word w WHERE NOT EXISTS (SELECT FROM (
        SELECT (regexp_matches(a.actor || ' ' || a.detail, '((agent|texte)-[0-9a-f]{32})', 'g'))[1] AS key
        FROM audit a) kept WHERE kept.key = w.key);
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
          SELECT FROM work w WHERE w.subject = 'request:' || request.id AND w.state IN ('due', 'held')));
    BEGIN
      DELETE FROM answer WHERE request_id = ANY(gone);
      DELETE FROM notification WHERE request_id = ANY(gone);
      DELETE FROM work WHERE subject = ANY(SELECT 'request:' || number FROM unnest(gone) number);
      DELETE FROM request WHERE id = ANY(gone);
      RETURN cardinality(gone);
    END""",
    ),
    "purge_versions(room bigint)": (
        "bigint",
        f"""
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
        {OBSOLETE_VERSIONS.format(since=_MONTH_AGO)}
      LOOP
        DELETE FROM electeur WHERE id IN (
          SELECT id FROM electeur
          WHERE code_commune = one.code_commune AND liste = one.liste AND version = one.version LIMIT most - removed);
        GET DIAGNOSTICS gone = ROW_COUNT;
        removed := removed + gone;
        EXIT WHEN removed >= most;
      END LOOP;
      DELETE FROM import WHERE finished_at IS NULL AND removed < most;
      {"; ".join(OLD_ANSWERS).format(since=_MONTH_AGO)};
      RETURN removed;
    END""",  # noqa: S608 — our own words
    ),
}


def function_statements(schema: str) -> Iterator[str]:
    """Yield the statements that replace all functions of PostgreSQL.

    `schema`: the quoted name of the schema of the tables. A function with the rights of the owner looks for tables in
    it first, and in `pg_temp` last. A path without `pg_temp` searches `pg_temp` first: an account that may create
    temporary tables would create one with the name of ours, and the function would run its trigger as the owner.
    """
    yield _OF_ELECTEUR_CHANGED
    yield _OF_ELECTEUR_COMPLETED
    for signature, (result, body) in _FUNCTIONS.items():
        yield (
            f"CREATE OR REPLACE FUNCTION {signature} RETURNS {result} LANGUAGE plpgsql SECURITY DEFINER"
            f" SET search_path = {schema}, pg_temp AS $$ {body} $$"
        )
        yield f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC"


def trigger_statements(dialect: str, electeur: Iterable[str]) -> Iterator[str]:
    """Yield the statements that replace all triggers, in the SQL of `postgresql` or `sqlite`.

    `electeur`: the columns of that table. An import that writes `facts` alone does not fire the trigger.
    """
    found = [name for name in electeur if name not in {"facts", *_COMPLETED}]
    changes, completions = (
        f"UPDATE OF {', '.join(names)} ON electeur" for names in (found, _COMPLETED)
    )
    is_server = dialect == "postgresql"
    for (table, name), event in (_POSTGRESQL_TRIGGERS if is_server else _SQLITE_TRIGGERS).items():
        yield f"DROP TRIGGER IF EXISTS {name}{f' ON {table}' if is_server else ''}"
        yield f"CREATE TRIGGER {name} {event.format(changes=changes, completions=completions)}"


_MOUVEMENTS = """
SELECT m.id AS mouvement, m.code_commune, m.liste, m.nature, m.date_mouvement AS jour, m.nom_naissance, m.nom_usage,
       m.prenoms, m.date_naissance, m.nouveau_bureau, m.ancien_bureau, m.categorie, m.motif, m.is_dated,
       (SELECT i.taken_on FROM import i JOIN import_liste il ON il.import_id = i.id
        WHERE il.code_commune = m.code_commune AND il.liste = m.liste AND i.id < m.import_id
          AND i.finished_at IS NOT NULL AND i.undone_at IS NULL ORDER BY i.id DESC LIMIT 1) AS since,
       (SELECT i.taken_on FROM import i WHERE i.id = m.import_id AND i.kind = 'reu') AS until
FROM mouvement m WHERE m.doubt_id IS NULL AND {which}
"""
_SIDE = """m{side}.nom_naissance AS {name}_nom_naissance, m{side}.nom_usage AS {name}_nom_usage,
       m{side}.prenoms AS {name}_prenoms, m{side}.date_naissance AS {name}_date_naissance,
       m{side}.commune_naissance AS {name}_commune_naissance, m{side}.pays_naissance AS {name}_pays_naissance,
       m{side}.adresse AS {name}_adresse, m{side}.{bureau} AS {name}_bureau, m{side}.numero AS {name}_numero"""

_VIEWS = {
    "derniers_exports": """
SELECT e.id AS export_id, r.source, r.event_id, r.correlation_id, r.requested_by, r.created_at AS requested_at,
       e.code_commune, coalesce(c.nom, '') AS nom_commune, e.liste, e.format, e.label, e.status,
       e.electeurs, e.lines_written, e.mineurs, e.bloquantes, e.remarques, e.file_name, e.size, e.sha256,
       e.error_code, e.error_message,
       e.started_at, e.finished_at, e.kind, e.type_tableau, e.presentation, e.edition, e.pages,
       r.lane > 0 AS is_bulk, e.purged_at, e.verified_at, r.id AS request_id, e.anomalies, e.differences,
       d.deposited_on, coalesce(d.deposited_by, '') AS deposited_by, coalesce(d.remarque, '') AS remarque,
       coalesce(d.verdict, '') AS verdict, d.verdict_on, coalesce(d.answer, '') AS answer,
       e.downloaded_at, e.downloaded_by, e.parameters, e.provisoire_until, e.rests_on, rc.created_at AS recalled_at,
       coalesce(rc.because, '') AS recalled_because, e.reconciliation,
       CASE WHEN im.finished_at > r.created_at THEN im.finished_at END AS outdated_at,
       coalesce(p.mode, '') AS publication_mode, p.published_on, p.published_until,
       coalesce(p.published_by, '') AS published_by, p.certified_on,
       e.a_completer, coalesce(p.reason, '') AS publication_reason, p.withdrawn_on,
       coalesce((SELECT {by_kind}(s.kind, {document}('file_name', s.file_name, 'size', s.size, 'sha256', s.sha256))
                 FROM piece s WHERE s.export_id = e.id), '{{}}') AS pieces, e.profile,
       {state} AS state, e.fault, r.uuid AS request_uuid, e.secteur
FROM export e JOIN request r ON r.id = e.request_id LEFT JOIN commune c ON c.code = e.code_commune
     LEFT JOIN depot d ON d.export_id = e.id LEFT JOIN recall rc ON rc.id = e.recall_id
     LEFT JOIN liste l ON l.code_commune = e.code_commune AND l.liste = e.liste
     LEFT JOIN import im ON im.id = l.version LEFT JOIN publication p ON p.export_id = e.id
""",
    "pieces": "SELECT s.export_id, s.kind, s.file_name, s.sha256 FROM piece s",
    "demandes": """
SELECT r.source, r.event_id, r.correlation_id, r.event_type, r.code_commune, r.requested_by,
       r.created_at AS requested_at, r.outcome, r.reason, r.notified_at, r.sender, r.id AS request_id, r.code,
       r.kind, r.uuid, r.completed_at, r.faults
FROM request r
""",
    "envois": """
SELECT n.request_id, n.code_commune, n.subject, n.kind, n.channel, n.address, n.created_at, n.sent_at, n.refusal,
       n.attempts, n.id AS notification_id
FROM notification n
""",
    "apercus": """
SELECT p.id AS preview_id, r.source, r.event_id, p.code_commune, p.file_name, p.sha256, p.taken_on, p.requested_by,
       p.created_at, p.status, p.lines_read, p.found, p.reason, p.import_id, p.finished_at,
       coalesce(w.requested_by, '') AS wanted_by, p.act
FROM preview p JOIN request r ON r.id = p.request_id LEFT JOIN request w ON w.id = p.import_request_id
""",
    "imports": """
SELECT i.id AS import_id, il.code_commune, il.liste, il.electeurs, il.is_compared, i.file_name, i.taken_on, i.is_dated,
       i.finished_at AS imported_at, i.imported_by, i.undone_at
FROM import i JOIN import_liste il ON il.import_id = i.id WHERE i.finished_at IS NOT NULL
""",
    "habilitations": """
SELECT a.name AS agent, a.email, a.code_commune, coalesce(c.nom, '') AS nom_commune, a.identity, a.sessions_ended,
       a.kinds AS wishes, a.may_protect
FROM agent a LEFT JOIN commune c ON c.code = a.code_commune
""",
    "registres": """
SELECT l.code_commune, coalesce(c.nom, '') AS nom_commune, l.liste, il.electeurs,
       i.finished_at AS imported_at, i.imported_by, i.taken_on, i.is_dated,
       CASE WHEN il.import_id IS NOT NULL THEN {mineurs} END AS mineurs
FROM liste l LEFT JOIN commune c ON c.code = l.code_commune
     LEFT JOIN import_liste il ON il.import_id = l.version AND il.code_commune = l.code_commune AND il.liste = l.liste
     LEFT JOIN import i ON i.id = il.import_id
""",
    "scrutins": """
SELECT s.code_commune, s.date AS jour, s.libelle, s.cloture, s.publication_due, s.has_commission, s.texte,
       s.reunion_first, s.reunion_last, s.cinq_jours_due FROM scrutin s
""",
    "reunions": "SELECT m.code_commune, m.liste, m.date AS jour, m.has_deliberated FROM commission m",
    "journal": """
SELECT a.at, coalesce((SELECT w.words FROM audit_word w WHERE w.key = a.actor), a.actor) AS actor, a.action,
       a.code_commune, a.export_id,
       coalesce((SELECT replace(a.detail, w.key, w.words) FROM audit_word w
                 WHERE w.key = substr(a.detail, length(a.detail) - 37)), a.detail) AS detail,
       a.id AS line_id
FROM audit a WHERE a.code_commune <> '' AND (a.export_id IS NOT NULL OR a.action IN (
       'doubt_decided', 'registre_imported', 'file_matched', 'import_undone', 'import_redated', 'reunion_changed',
       'scrutin_changed', 'motifs_completed', 'bureau_described', 'mairie_described', 'protection_changed',
       'wishes_changed', 'electeurs_seen', 'backup_restored', 'copie_noted'))
""",
    "bureaux": """
SELECT b.code_commune, b.code AS bureau, b.libelle, b.code_canton, b.libelle_canton, b.code_circonscription,
       b.libelle_circonscription
FROM bureau b
""",
    "mairies": """
SELECT c.code AS code_commune, c.mairie ->> 'voie' AS voie, c.mairie ->> 'ville' AS ville,
       c.mairie ->> 'telephone' AS telephone, c.mairie ->> 'courriel' AS courriel,
       c.mairie ->> 'signataire' AS signataire
FROM commune c WHERE c.mairie IS NOT NULL
""",
    "copies": """
SELECT c.id AS numero, c.code_commune, c.liste, c.bureau, c.demandeur, c.qualite, c.recue_on, c.engagement_on,
       c.decision, c.decided_on, c.motif FROM copie c
""",
    "electeurs": """
SELECT e.id AS electeur, e.code_commune, e.liste, e.nom_naissance, e.nom_usage, e.prenoms, e.date_naissance,
       e.code_bureau, e.sexe, e.nationalite
FROM electeur e JOIN liste l ON l.code_commune = e.code_commune AND l.liste = e.liste AND l.version = e.version
""",
    "electeurs_proteges": """
SELECT p.id AS protection, p.code_commune, p.nom_naissance, p.prenoms, p.date_naissance FROM protection p
""",
    "mouvements_comptes": """
SELECT m.code_commune, m.liste, m.date_mouvement AS jour, m.nature, m.categorie, count(*) AS mouvements
FROM mouvement m
WHERE m.doubt_id IS NULL AND (m.nature <> 'modification' OR m.ancien_bureau <> m.nouveau_bureau)
GROUP BY m.code_commune, m.liste, m.date_mouvement, m.nature, m.categorie
""",
    # R. 13 asks for no day of a change of bureau: it is never to be completed, and a day can be noted all the same.
    "mouvements_a_completer": _MOUVEMENTS.format(
        which="m.nature <> 'modification' AND (m.categorie = '' OR NOT m.is_dated)"
    ),
    "motifs_notes": _MOUVEMENTS.format(
        which="m.categorie <> '' AND (m.nature <> 'modification' OR m.ancien_bureau <> m.nouveau_bureau)"
    ),
    "doutes": f"""
SELECT d.id AS doute, d.code_commune, d.liste, d.differs, m2.date_mouvement AS jour, d.decision, d.decided_at,
       {_SIDE.format(side=1, name="radiation", bureau="ancien_bureau")},
       {_SIDE.format(side=2, name="inscription", bureau="nouveau_bureau")}
FROM doubt d JOIN mouvement m1 ON m1.id = d.radiation_id JOIN mouvement m2 ON m2.id = d.inscription_id
     JOIN import i ON i.id = d.import_id AND i.undone_at IS NULL
""",  # noqa: S608 — our own words
    "jetons": """
SELECT t.id AS jeton, t.name, t.secret_hash, t.code_commune, coalesce(s.acts, '') AS acts
FROM token t LEFT JOIN sender s ON s.name = 'jeton ' || t.name AND s.code_commune = t.code_commune
WHERE t.revoked_at IS NULL AND t.ends_on >= CURRENT_DATE
""",
    "reponses": """
SELECT a.id AS answer_id, a.account, a.code_commune, a.event FROM answer a
""",
    # The purge keeps these versions of a list: an existing file rests on each.
    "kept_version": """
SELECT x.code_commune, x.liste, CAST(r.value ->> 'import_id' AS bigint) AS version
FROM export x, {each}(x.rests_on) r
WHERE x.status = 'ready' AND x.purged_at IS NULL AND x.recall_id IS NULL
""",
}
"""The query of each view; braces hold what differs between the databases. Some views name electors: see `GRANTS`."""


def view_queries(dialect: str) -> Mapping[str, str]:
    """Return the query of each view, by name, in the SQL of `postgresql` or `sqlite`."""
    is_server = dialect == "postgresql"
    words = {
        "each": "json_array_elements" if is_server else "json_each",
        "by_kind": "json_object_agg" if is_server else "json_group_object",
        "document": "json_build_object" if is_server else "json_object",
        "mineurs": _mineurs(dialect),
        "state": sql_of_state(),
    }
    return {name: query.format(**words) for name, query in _VIEWS.items()}


_FACTS = {
    "verdict": "d.verdict",
    "recalled_at": "rc.created_at",
    "certified_on": "p.certified_on",
    "published_on": "p.published_on",
    "deposited_on": "d.deposited_on",
    "purged_at": "e.purged_at",
    "fault": "nullif(e.fault, '')",
    "bloquantes": "nullif(e.bloquantes, 0)",
    "provisoire_until": "e.provisoire_until",
    "a_completer": "nullif(e.a_completer, 0)",
    "outdated_at": "CASE WHEN im.finished_at > r.created_at THEN im.finished_at END",
}
"""The facts of `STATE_RULES` in the tables of `derniers_exports`: NULL where a fact is not there."""


def sql_of_state() -> str:
    """Return the SQL of the state of a file, as `schemas.file_state.find_state` computes it."""
    rules = list[str]()
    for rule in STATE_RULES:
        is_there = f"= '{rule.value}'" if rule.value else "IS NOT NULL"
        rules.append(f"WHEN {_FACTS[rule.column]} {is_there} THEN '{rule.state}'")
    ready = ExportStatus.READY.value
    return f"CASE WHEN e.status <> '{ready}' THEN e.status {' '.join(rules)} ELSE '{ready}' END"


def _mineurs(dialect: str) -> str:
    """Return the SQL of the number of minors on the commune's civil day, as `common.calendrier.is_mineur` counts them.

    Only electors with a finding are counted: an import gives one to each minor. A person under 16 is an anomaly. SQLite
    has no time zones: it calls `common.calendrier.last_birth_today`.
    """
    if dialect == "postgresql":
        longest_first = sorted(OVERSEAS.items(), key=lambda it: -len(it[0]))
        zones = (
            f"WHEN l.code_commune LIKE '{key}%' THEN '{zone.key}'" for key, zone in longest_first
        )
        now = f"now() AT TIME ZONE CASE {' '.join(zones)} ELSE 'Europe/Paris' END"
        last_birth = f"(CAST(to_char({now}, 'YYYY') AS integer) - {{}}) || to_char({now}, '-MM-DD')"
    else:
        last_birth = "last_birth_today(l.code_commune, {})"
    return f"""
       (SELECT count(*) FROM electeur e WHERE e.code_commune = l.code_commune AND e.liste = l.liste
        AND e.version = l.version AND e.facts > 0 AND e.date_naissance LIKE '____-__-__'
        AND e.date_naissance > {last_birth.format(MAJORITE)}
        AND e.date_naissance <= {last_birth.format(YOUNGEST)})"""  # noqa: S608 — our words
