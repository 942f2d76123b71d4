-- Revision 0044 (release 0.3.0), without rows.
CREATE FUNCTION electeur_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN NEW.facts := 1; RETURN NEW; END $$;
CREATE FUNCTION keep_audit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
    AS $_$
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
    END $_$;
CREATE FUNCTION lock_exports() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
    AS $$
BEGIN
  LOCK TABLE export IN SHARE ROW EXCLUSIVE MODE;
END $$;
CREATE FUNCTION purge_audit(before timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
    AS $$
    DECLARE
      first_kept bigint := (SELECT min(id) FROM audit WHERE at >= before);
      removed bigint;
    BEGIN
      UPDATE audit_head SET anchor = coalesce(
        (SELECT chain FROM audit WHERE id < first_kept ORDER BY id DESC LIMIT 1), anchor);
      DELETE FROM audit WHERE id < first_kept;
      GET DIAGNOSTICS removed = ROW_COUNT;
      DELETE FROM audit_word w WHERE NOT EXISTS (SELECT FROM (
        SELECT (regexp_matches(a.actor || ' ' || a.detail, '((agent|texte)-[0-9a-f]{32})', 'g'))[1] AS sign
        FROM audit a) kept WHERE kept.sign = w.sign);
      RETURN removed;
    END $$;
CREATE FUNCTION purge_refused(numbers bigint[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
    AS $$
    DECLARE
      gone bigint[] := ARRAY(
        SELECT id FROM request
        WHERE id = ANY(numbers) AND outcome = 'refused' AND told_at IS NOT NULL AND announced_at IS NOT NULL);
    BEGIN
      DELETE FROM notification WHERE request_id = ANY(gone);
      DELETE FROM request WHERE id = ANY(gone);
      RETURN cardinality(gone);
    END $$;
CREATE FUNCTION purge_versions(room bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
    AS $$
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
    END $$;
CREATE TABLE agent (name text NOT NULL COLLATE "C", code_commune text NOT NULL COLLATE "C", email text NOT NULL COLLATE "C", kinds text DEFAULT 'pret,echec,echeance'::text NOT NULL COLLATE "C", may_protect boolean DEFAULT false NOT NULL, identity text DEFAULT ''::text NOT NULL COLLATE "C", sessions_ended integer DEFAULT 0 NOT NULL );
CREATE TABLE alembic_version (version_num character varying(32) NOT NULL, works_with character varying(4) );
CREATE TABLE preview (id bigserial NOT NULL, request_id bigint NOT NULL, import_request_id bigint, code_commune text NOT NULL COLLATE "C", arrival text NOT NULL COLLATE "C", sha256 text NOT NULL COLLATE "C", file_name text NOT NULL COLLATE "C", requested_by text NOT NULL COLLATE "C", status text NOT NULL COLLATE "C", taken_on date NOT NULL, created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL, owner text COLLATE "C", attempts integer DEFAULT 0 NOT NULL, lines_read integer DEFAULT 0 NOT NULL, lease_until timestamp with time zone, not_before timestamp with time zone, rung_at timestamp with time zone, finished_at timestamp with time zone, erased_at timestamp with time zone, found json, liste text DEFAULT ''::text NOT NULL COLLATE "C", register_state text DEFAULT ''::text NOT NULL COLLATE "C", reason text DEFAULT ''::text NOT NULL COLLATE "C", terms json DEFAULT '{}'::json NOT NULL, import_id bigint, act text DEFAULT 'import'::text NOT NULL COLLATE "C" );
CREATE TABLE request (id bigserial NOT NULL, source text NOT NULL COLLATE "C", event_id text NOT NULL COLLATE "C", event_type text NOT NULL COLLATE "C", correlation_id text NOT NULL COLLATE "C", code_commune text NOT NULL COLLATE "C", requested_by text NOT NULL COLLATE "C", created_at timestamp with time zone NOT NULL, outcome text NOT NULL COLLATE "C", reason text NOT NULL COLLATE "C", told_at timestamp with time zone, teller text COLLATE "C", teller_lease timestamp with time zone, tell_after timestamp with time zone, tell_attempts integer DEFAULT 0 NOT NULL, sender text DEFAULT ''::text NOT NULL COLLATE "C", announced_at timestamp with time zone, payload_hash text DEFAULT ''::text NOT NULL COLLATE "C", code text DEFAULT ''::text NOT NULL COLLATE "C", faults json, answer_lease timestamp with time zone, concluded_at timestamp with time zone, settled_at timestamp with time zone, traceparent text DEFAULT ''::text NOT NULL, tracestate text DEFAULT ''::text NOT NULL, is_bulk boolean DEFAULT false NOT NULL, share text DEFAULT ''::text NOT NULL COLLATE "C", turn bigint DEFAULT '0'::bigint NOT NULL, reply_to text DEFAULT ''::text NOT NULL COLLATE "C", progress_at timestamp with time zone );
CREATE VIEW apercus AS SELECT p.id AS preview_id, r.source, r.event_id, p.code_commune, p.file_name, p.sha256, p.taken_on, p.requested_by, p.created_at, p.status, p.lines_read, p.found, p.reason, p.import_id, p.finished_at, COALESCE(w.requested_by, ''::text) AS wanted_by, p.act FROM ((preview p JOIN request r ON ((r.id = p.request_id))) LEFT JOIN request w ON ((w.id = p.import_request_id)));
CREATE TABLE audit (id bigserial NOT NULL, at timestamp with time zone DEFAULT statement_timestamp() NOT NULL, actor text NOT NULL COLLATE "C", action text NOT NULL COLLATE "C", code_commune text DEFAULT ''::text NOT NULL COLLATE "C", export_id bigint, detail text DEFAULT ''::text NOT NULL COLLATE "C", account text DEFAULT ''::text NOT NULL COLLATE "C", chain text DEFAULT ''::text NOT NULL COLLATE "C" );
CREATE TABLE audit_head (id serial NOT NULL, chain text DEFAULT ''::text NOT NULL COLLATE "C", anchor text DEFAULT ''::text NOT NULL COLLATE "C" );
CREATE TABLE audit_word (sign text NOT NULL COLLATE "C", salt text NOT NULL COLLATE "C", kind text NOT NULL COLLATE "C", said text NOT NULL COLLATE "C", code_commune text DEFAULT ''::text NOT NULL COLLATE "C" );
CREATE TABLE bureau (code_commune text NOT NULL COLLATE "C", code text NOT NULL COLLATE "C", libelle text DEFAULT ''::text NOT NULL COLLATE "C", code_canton text DEFAULT ''::text NOT NULL COLLATE "C", libelle_canton text DEFAULT ''::text NOT NULL COLLATE "C", code_circonscription text DEFAULT ''::text NOT NULL COLLATE "C", libelle_circonscription text DEFAULT ''::text NOT NULL COLLATE "C" );
CREATE VIEW bureaux AS SELECT b.code_commune, b.code AS bureau, b.libelle, b.code_canton, b.libelle_canton, b.code_circonscription, b.libelle_circonscription FROM bureau b;
CREATE TABLE commission (code_commune text NOT NULL COLLATE "C", liste text DEFAULT ''::text NOT NULL COLLATE "C", date date NOT NULL );
CREATE TABLE commune (code text NOT NULL COLLATE "C", nom text NOT NULL COLLATE "C", code_departement text NOT NULL COLLATE "C" );
CREATE TABLE dead_letters (queue text NOT NULL COLLATE "C", account text NOT NULL COLLATE "C", day date NOT NULL, letters integer DEFAULT 0 NOT NULL, size bigint DEFAULT '0'::bigint NOT NULL, dropped integer DEFAULT 0 NOT NULL );
CREATE VIEW demandes AS SELECT r.source, r.event_id, r.correlation_id, r.event_type, r.code_commune, r.requested_by, r.created_at AS requested_at, r.outcome, r.reason, r.told_at, r.sender, r.id AS request_id, r.code FROM request r;
CREATE TABLE depot (export_id bigint NOT NULL, deposited_on date NOT NULL, deposited_by text NOT NULL COLLATE "C", remarque text DEFAULT ''::text NOT NULL COLLATE "C", declared_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL, verdict text DEFAULT ''::text NOT NULL COLLATE "C", verdict_on date, verdict_by text DEFAULT ''::text NOT NULL COLLATE "C", answer text DEFAULT ''::text NOT NULL COLLATE "C", fingerprint_reason text DEFAULT ''::text NOT NULL COLLATE "C", fingerprint_key bytea, fingerprint bytea, said_at timestamp with time zone, verdict_said_at timestamp with time zone, CONSTRAINT ck_depot_verdict CHECK ((verdict = ANY (ARRAY[''::text, 'accepte'::text, 'rejete'::text]))) );
CREATE TABLE export (id bigserial NOT NULL, request_id bigint NOT NULL, part text NOT NULL COLLATE "C", code_commune text NOT NULL COLLATE "C", liste text NOT NULL COLLATE "C", format text NOT NULL COLLATE "C", file_name text NOT NULL COLLATE "C", label text NOT NULL COLLATE "C", status text NOT NULL COLLATE "C", created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL, owner text COLLATE "C", lease_until timestamp with time zone, attempts integer DEFAULT 0 NOT NULL, retries integer DEFAULT 0 NOT NULL, not_before timestamp with time zone, rung_at timestamp with time zone, started_at timestamp with time zone, finished_at timestamp with time zone, electeurs integer, lines_written integer DEFAULT 0 NOT NULL, mineurs integer DEFAULT 0 NOT NULL, bloquantes integer DEFAULT 0 NOT NULL, remarques integer DEFAULT 0 NOT NULL, anomalies json NOT NULL, size bigint, sha256 text COLLATE "C", report_name text COLLATE "C", report_size bigint, report_sha256 text COLLATE "C", error_code text DEFAULT ''::text NOT NULL COLLATE "C", error_message text DEFAULT ''::text NOT NULL COLLATE "C", published_at timestamp with time zone, kind text DEFAULT 'liste'::text NOT NULL COLLATE "C", type_tableau text DEFAULT ''::text NOT NULL COLLATE "C", presentation text DEFAULT ''::text NOT NULL COLLATE "C", edition text DEFAULT ''::text NOT NULL COLLATE "C", parameters json DEFAULT '{}'::json NOT NULL, pages integer, is_bulk boolean DEFAULT false NOT NULL, purged_at timestamp with time zone, verified_at timestamp with time zone, differences json, downloaded_at timestamp with time zone, downloaded_by text DEFAULT ''::text NOT NULL COLLATE "C", provisoire_until date, rests_on json, recall_id bigint, recall_published_at timestamp with time zone, reconciliation json, turn bigint DEFAULT '0'::bigint NOT NULL );
CREATE TABLE import (id bigserial NOT NULL, file_name text NOT NULL COLLATE "C", sha256 text NOT NULL COLLATE "C", imported_by text NOT NULL COLLATE "C", started_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL, finished_at timestamp with time zone, undone_at timestamp with time zone, lines_read integer DEFAULT 0 NOT NULL, lines_kept integer DEFAULT 0 NOT NULL, lines_rejected integer DEFAULT 0 NOT NULL, values_cleaned integer DEFAULT 0 NOT NULL, bureaux_before json NOT NULL, kind text DEFAULT 'reu'::text NOT NULL COLLATE "C", taken_on date, is_dated boolean DEFAULT false NOT NULL, complete_until date );
CREATE TABLE liste (code_commune text NOT NULL COLLATE "C", liste text NOT NULL COLLATE "C", version bigint DEFAULT '0'::bigint NOT NULL );
CREATE TABLE publication (export_id bigint NOT NULL, mode text NOT NULL COLLATE "C", published_on date NOT NULL, published_until date, published_by text NOT NULL COLLATE "C", said_at timestamp with time zone NOT NULL, certified_on date, certificat_name text COLLATE "C", certificat_size bigint, certificat_sha256 text COLLATE "C", CONSTRAINT ck_publication_mode CHECK ((mode = ANY (ARRAY['affichage'::text, 'consultation'::text]))) );
CREATE TABLE recall (id bigserial NOT NULL, code_commune text NOT NULL COLLATE "C", because text NOT NULL COLLATE "C", reason text DEFAULT ''::text NOT NULL COLLATE "C", recalled_by text NOT NULL COLLATE "C", created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL, told_at timestamp with time zone, teller text COLLATE "C", teller_lease timestamp with time zone, tell_after timestamp with time zone, tell_attempts integer DEFAULT 0 NOT NULL );
CREATE VIEW derniers_exports AS SELECT e.id AS export_id, r.source, r.event_id, r.correlation_id, r.requested_by, r.created_at AS requested_at, e.code_commune, COALESCE(c.nom, ''::text) AS nom_commune, e.liste, e.format, e.label, e.status, e.electeurs, e.lines_written, e.mineurs, e.bloquantes, e.remarques, e.file_name, e.size, e.sha256, e.report_name, e.report_size, e.report_sha256, e.error_code, e.error_message, e.started_at, e.finished_at, e.kind, e.type_tableau, e.presentation, e.edition, e.pages, e.is_bulk, e.purged_at, e.verified_at, r.id AS request_id, e.anomalies, e.differences, d.deposited_on, COALESCE(d.deposited_by, ''::text) AS deposited_by, COALESCE(d.remarque, ''::text) AS remarque, COALESCE(d.verdict, ''::text) AS verdict, d.verdict_on, COALESCE(d.answer, ''::text) AS answer, e.downloaded_at, e.downloaded_by, e.parameters, e.provisoire_until, e.rests_on, rc.created_at AS recalled_at, COALESCE(rc.because, ''::text) AS recalled_because, e.reconciliation, CASE WHEN (im.finished_at > r.created_at) THEN im.finished_at ELSE NULL::timestamp with time zone END AS outdated_at, COALESCE(p.mode, ''::text) AS publication_mode, p.published_on, p.published_until, COALESCE(p.published_by, ''::text) AS published_by, p.certified_on, p.certificat_name, p.certificat_size, p.certificat_sha256 FROM (((((((export e JOIN request r ON ((r.id = e.request_id))) LEFT JOIN commune c ON ((c.code = e.code_commune))) LEFT JOIN depot d ON ((d.export_id = e.id))) LEFT JOIN recall rc ON ((rc.id = e.recall_id))) LEFT JOIN liste l ON (((l.code_commune = e.code_commune) AND (l.liste = e.liste)))) LEFT JOIN import im ON ((im.id = l.version))) LEFT JOIN publication p ON ((p.export_id = e.id)));
CREATE TABLE doubt (id bigserial NOT NULL, import_id bigint NOT NULL, code_commune text NOT NULL COLLATE "C", liste text NOT NULL COLLATE "C", radiation_id bigint, inscription_id bigint, differs text DEFAULT ''::text NOT NULL COLLATE "C", decision text DEFAULT ''::text NOT NULL COLLATE "C", decided_by text DEFAULT ''::text NOT NULL COLLATE "C", decided_at timestamp with time zone, born_before text DEFAULT ''::text NOT NULL COLLATE "C", born_after text DEFAULT ''::text NOT NULL COLLATE "C" );
CREATE TABLE mouvement (id bigserial NOT NULL, code_commune text NOT NULL COLLATE "C", liste text NOT NULL COLLATE "C", import_id bigint, nature text NOT NULL COLLATE "C", effet text NOT NULL COLLATE "C", etat text NOT NULL COLLATE "C", categorie text DEFAULT ''::text NOT NULL COLLATE "C", motif text DEFAULT ''::text NOT NULL COLLATE "C", date_tableau date NOT NULL, date_mouvement date NOT NULL, scrutin date, ancien_bureau text DEFAULT ''::text NOT NULL COLLATE "C", nouveau_bureau text DEFAULT ''::text NOT NULL COLLATE "C", numero integer DEFAULT 0 NOT NULL, nom_naissance text DEFAULT ''::text NOT NULL COLLATE "C", nom_usage text DEFAULT ''::text NOT NULL COLLATE "C", prenoms text DEFAULT ''::text NOT NULL COLLATE "C", date_naissance text DEFAULT ''::text NOT NULL COLLATE "C", commune_naissance text DEFAULT ''::text NOT NULL COLLATE "C", departement_naissance text DEFAULT ''::text NOT NULL COLLATE "C", pays_naissance text DEFAULT ''::text NOT NULL COLLATE "C", adresse text DEFAULT ''::text NOT NULL COLLATE "C", nationalite text DEFAULT ''::text NOT NULL COLLATE "C", is_protegee boolean DEFAULT false NOT NULL, CONSTRAINT ck_mouvement_effet CHECK ((effet = ANY (ARRAY['1erMars'::text, 'Immediat'::text, 'Election'::text]))), CONSTRAINT ck_mouvement_etat CHECK ((etat = ANY (ARRAY['actif'::text, 'applique'::text]))), CONSTRAINT ck_mouvement_nature CHECK ((nature = ANY (ARRAY['inscription'::text, 'radiation'::text, 'modification'::text]))) );
CREATE VIEW doutes_ouverts AS SELECT d.id AS doute, d.code_commune, d.liste, d.differs, m2.date_mouvement AS jour, m1.nom_naissance AS radiation_nom_naissance, m1.nom_usage AS radiation_nom_usage, m1.prenoms AS radiation_prenoms, m1.date_naissance AS radiation_date_naissance, m1.commune_naissance AS radiation_commune_naissance, m1.pays_naissance AS radiation_pays_naissance, m1.adresse AS radiation_adresse, m1.ancien_bureau AS radiation_bureau, m1.numero AS radiation_numero, m2.nom_naissance AS inscription_nom_naissance, m2.nom_usage AS inscription_nom_usage, m2.prenoms AS inscription_prenoms, m2.date_naissance AS inscription_date_naissance, m2.commune_naissance AS inscription_commune_naissance, m2.pays_naissance AS inscription_pays_naissance, m2.adresse AS inscription_adresse, m2.nouveau_bureau AS inscription_bureau, m2.numero AS inscription_numero FROM ((doubt d JOIN mouvement m1 ON ((m1.id = d.radiation_id))) JOIN mouvement m2 ON ((m2.id = d.inscription_id))) WHERE (d.decision = ''::text);
CREATE TABLE electeur (id bigserial NOT NULL, code_commune text NOT NULL COLLATE "C", liste text NOT NULL COLLATE "C", version bigint DEFAULT '0'::bigint NOT NULL, numero_ordre integer, numero_general integer, code_bureau text DEFAULT ''::text NOT NULL COLLATE "C", sexe text DEFAULT ''::text NOT NULL COLLATE "C", nom_naissance text DEFAULT ''::text NOT NULL COLLATE "C", nom_usage text DEFAULT ''::text NOT NULL COLLATE "C", prenoms text DEFAULT ''::text NOT NULL COLLATE "C", date_naissance text DEFAULT ''::text NOT NULL COLLATE "C", code_commune_naissance text DEFAULT ''::text NOT NULL COLLATE "C", commune_naissance text DEFAULT ''::text NOT NULL COLLATE "C", departement_naissance text DEFAULT ''::text NOT NULL COLLATE "C", pays_naissance text DEFAULT ''::text NOT NULL COLLATE "C", nationalite text DEFAULT ''::text NOT NULL COLLATE "C", complement1 text DEFAULT ''::text NOT NULL COLLATE "C", complement2 text DEFAULT ''::text NOT NULL COLLATE "C", numero_voie text DEFAULT ''::text NOT NULL COLLATE "C", type_voie text DEFAULT ''::text NOT NULL COLLATE "C", libelle_voie text DEFAULT ''::text NOT NULL COLLATE "C", lieu_dit text DEFAULT ''::text NOT NULL COLLATE "C", code_postal text DEFAULT ''::text NOT NULL COLLATE "C", ville text DEFAULT ''::text NOT NULL COLLATE "C", pays text DEFAULT ''::text NOT NULL COLLATE "C", nettoyages integer DEFAULT 0 NOT NULL, facts integer DEFAULT 1 NOT NULL );
CREATE VIEW electeurs AS SELECT e.id AS electeur, e.code_commune, e.liste, e.nom_naissance, e.nom_usage, e.prenoms, e.date_naissance FROM (electeur e JOIN liste l ON (((l.code_commune = e.code_commune) AND (l.liste = e.liste) AND (l.version = e.version))));
CREATE TABLE protection (id bigserial NOT NULL, code_commune text NOT NULL COLLATE "C", nom_naissance text NOT NULL COLLATE "C", prenoms text NOT NULL COLLATE "C", date_naissance text NOT NULL COLLATE "C" );
CREATE VIEW electeurs_proteges AS SELECT p.id AS protection, p.code_commune, p.nom_naissance, p.prenoms, p.date_naissance FROM protection p;
CREATE TABLE notification (id bigserial NOT NULL, request_id bigint, reminder_id bigint, recipient text NOT NULL COLLATE "C", code_commune text NOT NULL COLLATE "C", subject text DEFAULT ''::text NOT NULL COLLATE "C", kind text NOT NULL COLLATE "C", channel text NOT NULL COLLATE "C", address text NOT NULL COLLATE "C", message_id text NOT NULL COLLATE "C", created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL, attempts integer DEFAULT 0 NOT NULL, not_before timestamp with time zone, settled_at timestamp with time zone, sent_at timestamp with time zone, refusal text DEFAULT ''::text NOT NULL COLLATE "C", recall_id bigint, may_be_copy boolean DEFAULT false NOT NULL );
CREATE VIEW envois AS SELECT n.request_id, n.code_commune, n.subject, n.kind, n.channel, n.address, n.created_at, n.sent_at, n.refusal, n.attempts FROM notification n;
CREATE VIEW habilitations AS SELECT a.name AS agent, a.email, a.code_commune, COALESCE(c.nom, ''::text) AS nom_commune, a.identity, a.sessions_ended, a.kinds AS wishes, a.may_protect FROM (agent a LEFT JOIN commune c ON ((c.code = a.code_commune)));
CREATE TABLE homonym (id bigserial NOT NULL, import_id bigint NOT NULL, code_commune text DEFAULT ''::text NOT NULL COLLATE "C", liste text DEFAULT ''::text NOT NULL COLLATE "C", nom_naissance text DEFAULT ''::text NOT NULL COLLATE "C", prenoms text DEFAULT ''::text NOT NULL COLLATE "C", date_naissance text DEFAULT ''::text NOT NULL COLLATE "C", bureau_before text DEFAULT ''::text NOT NULL COLLATE "C", bureau_after text DEFAULT ''::text NOT NULL COLLATE "C", numero_before integer, numero_after integer );
CREATE TABLE import_liste (import_id bigint NOT NULL, code_commune text NOT NULL COLLATE "C", liste text NOT NULL COLLATE "C", electeurs integer NOT NULL, version_before bigint, is_compared boolean DEFAULT false NOT NULL, not_compared_because text DEFAULT ''::text NOT NULL COLLATE "C", facts_version integer DEFAULT 0 NOT NULL, facts_since date );
CREATE VIEW imports AS SELECT i.id AS import_id, il.code_commune, il.liste, il.electeurs, il.is_compared, i.file_name, i.taken_on, i.is_dated, i.finished_at AS imported_at, i.imported_by, i.undone_at FROM (import i JOIN import_liste il ON ((il.import_id = i.id))) WHERE (i.finished_at IS NOT NULL);
CREATE TABLE token (id text NOT NULL COLLATE "C", name text NOT NULL COLLATE "C", secret_hash text NOT NULL COLLATE "C", created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL, revoked_at timestamp with time zone );
CREATE TABLE token_commune (token_id text NOT NULL COLLATE "C", code_commune text NOT NULL COLLATE "C" );
CREATE VIEW jetons AS SELECT t.id AS jeton, t.name, t.secret_hash, tc.code_commune FROM (token t JOIN token_commune tc ON ((tc.token_id = t.id))) WHERE (t.revoked_at IS NULL);
CREATE VIEW journal AS SELECT a.at, COALESCE(( SELECT w.said FROM audit_word w WHERE (w.sign = a.actor)), a.actor) AS actor, a.action, a.code_commune, a.export_id, COALESCE(( SELECT replace(a.detail, w.sign, w.said) AS replace FROM audit_word w WHERE (w.sign = substr(a.detail, (length(a.detail) - 37)))), a.detail) AS detail FROM audit a WHERE ((a.code_commune <> ''::text) AND ((a.export_id IS NOT NULL) OR (a.action = ANY (ARRAY['doubt_decided'::text, 'import_undone'::text, 'import_redated'::text, 'reunion_changed'::text, 'scrutin_changed'::text, 'motifs_completed'::text, 'bureau_described'::text, 'protection_changed'::text, 'wishes_changed'::text, 'electeurs_seen'::text]))));
CREATE TABLE listener (name text NOT NULL, routing_key text NOT NULL );
CREATE VIEW mouvements_sans_motif AS SELECT m.id AS mouvement, m.code_commune, m.liste, m.nature, m.date_mouvement AS jour, m.nom_naissance, m.nom_usage, m.prenoms, m.date_naissance, m.nouveau_bureau, m.ancien_bureau FROM mouvement m WHERE ((m.categorie = ''::text) AND (m.nature <> 'modification'::text));
CREATE TABLE parked (id bigserial NOT NULL, sender text NOT NULL COLLATE "C", source text NOT NULL COLLATE "C", event_id text NOT NULL COLLATE "C", event json NOT NULL, waits_for text NOT NULL COLLATE "C", looks integer DEFAULT 0 NOT NULL, due_at timestamp with time zone NOT NULL, rung_at timestamp with time zone, reply_to text DEFAULT ''::text NOT NULL COLLATE "C" );
CREATE TABLE process (name text NOT NULL COLLATE "C", settings_hash text NOT NULL COLLATE "C" );
CREATE TABLE recipient (id text NOT NULL COLLATE "C", code_commune text NOT NULL COLLATE "C", channel text NOT NULL COLLATE "C", address text NOT NULL COLLATE "C", kinds text DEFAULT 'pret,echec,echeance'::text NOT NULL COLLATE "C", secret text DEFAULT ''::text NOT NULL COLLATE "C", created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL, disabled_at timestamp with time zone );
CREATE VIEW registres AS SELECT l.code_commune, COALESCE(c.nom, ''::text) AS nom_commune, l.liste, il.electeurs, i.finished_at AS imported_at, i.imported_by, i.taken_on, i.is_dated, CASE WHEN (il.import_id IS NOT NULL) THEN ( SELECT count(*) AS count FROM electeur e WHERE ((e.code_commune = l.code_commune) AND (e.liste = l.liste) AND (e.version = l.version) AND (e.facts > 0) AND (e.date_naissance ~~ '____-__-__'::text) AND (e.date_naissance > (((to_char((now() AT TIME ZONE CASE WHEN (substr(l.code_commune, 1, 5) = '98719'::text) THEN 'Pacific/Gambier'::text WHEN (substr(l.code_commune, 1, 5) = '98718'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98723'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98731'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98746'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98756'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98757'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 3) = '971'::text) THEN 'America/Guadeloupe'::text WHEN (substr(l.code_commune, 1, 3) = '972'::text) THEN 'America/Martinique'::text WHEN (substr(l.code_commune, 1, 3) = '973'::text) THEN 'America/Cayenne'::text WHEN (substr(l.code_commune, 1, 3) = '974'::text) THEN 'Indian/Reunion'::text WHEN (substr(l.code_commune, 1, 3) = '975'::text) THEN 'America/Miquelon'::text WHEN (substr(l.code_commune, 1, 3) = '976'::text) THEN 'Indian/Mayotte'::text WHEN (substr(l.code_commune, 1, 3) = '977'::text) THEN 'America/St_Barthelemy'::text WHEN (substr(l.code_commune, 1, 3) = '978'::text) THEN 'America/Marigot'::text WHEN (substr(l.code_commune, 1, 3) = '986'::text) THEN 'Pacific/Wallis'::text WHEN (substr(l.code_commune, 1, 3) = '987'::text) THEN 'Pacific/Tahiti'::text WHEN (substr(l.code_commune, 1, 3) = '988'::text) THEN 'Pacific/Noumea'::text ELSE 'Europe/Paris'::text END), 'YYYY'::text))::integer - 18) || to_char((now() AT TIME ZONE CASE WHEN (substr(l.code_commune, 1, 5) = '98719'::text) THEN 'Pacific/Gambier'::text WHEN (substr(l.code_commune, 1, 5) = '98718'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98723'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98731'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98746'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98756'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98757'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 3) = '971'::text) THEN 'America/Guadeloupe'::text WHEN (substr(l.code_commune, 1, 3) = '972'::text) THEN 'America/Martinique'::text WHEN (substr(l.code_commune, 1, 3) = '973'::text) THEN 'America/Cayenne'::text WHEN (substr(l.code_commune, 1, 3) = '974'::text) THEN 'Indian/Reunion'::text WHEN (substr(l.code_commune, 1, 3) = '975'::text) THEN 'America/Miquelon'::text WHEN (substr(l.code_commune, 1, 3) = '976'::text) THEN 'Indian/Mayotte'::text WHEN (substr(l.code_commune, 1, 3) = '977'::text) THEN 'America/St_Barthelemy'::text WHEN (substr(l.code_commune, 1, 3) = '978'::text) THEN 'America/Marigot'::text WHEN (substr(l.code_commune, 1, 3) = '986'::text) THEN 'Pacific/Wallis'::text WHEN (substr(l.code_commune, 1, 3) = '987'::text) THEN 'Pacific/Tahiti'::text WHEN (substr(l.code_commune, 1, 3) = '988'::text) THEN 'Pacific/Noumea'::text ELSE 'Europe/Paris'::text END), '-MM-DD'::text))) AND (e.date_naissance <= (((to_char((now() AT TIME ZONE CASE WHEN (substr(l.code_commune, 1, 5) = '98719'::text) THEN 'Pacific/Gambier'::text WHEN (substr(l.code_commune, 1, 5) = '98718'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98723'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98731'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98746'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98756'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98757'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 3) = '971'::text) THEN 'America/Guadeloupe'::text WHEN (substr(l.code_commune, 1, 3) = '972'::text) THEN 'America/Martinique'::text WHEN (substr(l.code_commune, 1, 3) = '973'::text) THEN 'America/Cayenne'::text WHEN (substr(l.code_commune, 1, 3) = '974'::text) THEN 'Indian/Reunion'::text WHEN (substr(l.code_commune, 1, 3) = '975'::text) THEN 'America/Miquelon'::text WHEN (substr(l.code_commune, 1, 3) = '976'::text) THEN 'Indian/Mayotte'::text WHEN (substr(l.code_commune, 1, 3) = '977'::text) THEN 'America/St_Barthelemy'::text WHEN (substr(l.code_commune, 1, 3) = '978'::text) THEN 'America/Marigot'::text WHEN (substr(l.code_commune, 1, 3) = '986'::text) THEN 'Pacific/Wallis'::text WHEN (substr(l.code_commune, 1, 3) = '987'::text) THEN 'Pacific/Tahiti'::text WHEN (substr(l.code_commune, 1, 3) = '988'::text) THEN 'Pacific/Noumea'::text ELSE 'Europe/Paris'::text END), 'YYYY'::text))::integer - 0) || to_char((now() AT TIME ZONE CASE WHEN (substr(l.code_commune, 1, 5) = '98719'::text) THEN 'Pacific/Gambier'::text WHEN (substr(l.code_commune, 1, 5) = '98718'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98723'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98731'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98746'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98756'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 5) = '98757'::text) THEN 'Pacific/Marquesas'::text WHEN (substr(l.code_commune, 1, 3) = '971'::text) THEN 'America/Guadeloupe'::text WHEN (substr(l.code_commune, 1, 3) = '972'::text) THEN 'America/Martinique'::text WHEN (substr(l.code_commune, 1, 3) = '973'::text) THEN 'America/Cayenne'::text WHEN (substr(l.code_commune, 1, 3) = '974'::text) THEN 'Indian/Reunion'::text WHEN (substr(l.code_commune, 1, 3) = '975'::text) THEN 'America/Miquelon'::text WHEN (substr(l.code_commune, 1, 3) = '976'::text) THEN 'Indian/Mayotte'::text WHEN (substr(l.code_commune, 1, 3) = '977'::text) THEN 'America/St_Barthelemy'::text WHEN (substr(l.code_commune, 1, 3) = '978'::text) THEN 'America/Marigot'::text WHEN (substr(l.code_commune, 1, 3) = '986'::text) THEN 'Pacific/Wallis'::text WHEN (substr(l.code_commune, 1, 3) = '987'::text) THEN 'Pacific/Tahiti'::text WHEN (substr(l.code_commune, 1, 3) = '988'::text) THEN 'Pacific/Noumea'::text ELSE 'Europe/Paris'::text END), '-MM-DD'::text))))) ELSE NULL::bigint END AS mineurs FROM (((liste l LEFT JOIN commune c ON ((c.code = l.code_commune))) LEFT JOIN import_liste il ON (((il.import_id = l.version) AND (il.code_commune = l.code_commune) AND (il.liste = l.liste)))) LEFT JOIN import i ON ((i.id = il.import_id)));
CREATE TABLE reminder (id bigserial NOT NULL, code_commune text NOT NULL COLLATE "C", day date NOT NULL, told_at timestamp with time zone, teller text COLLATE "C", teller_lease timestamp with time zone, tell_after timestamp with time zone, tell_attempts integer DEFAULT 0 NOT NULL );
CREATE TABLE reminder_echeance (code_commune text NOT NULL COLLATE "C", echeance text NOT NULL COLLATE "C", due_on date NOT NULL, days integer NOT NULL, until date NOT NULL, scrutin date NOT NULL, libelle text DEFAULT ''::text NOT NULL COLLATE "C", reminder_id bigint NOT NULL, published_at timestamp with time zone );
CREATE VIEW reunions AS SELECT m.code_commune, m.liste, m.date AS jour FROM commission m;
CREATE TABLE scrutin (code_commune text NOT NULL COLLATE "C", date date NOT NULL, libelle text DEFAULT ''::text NOT NULL COLLATE "C", cloture date );
CREATE VIEW scrutins AS SELECT s.code_commune, s.date AS jour, s.libelle, s.cloture FROM scrutin s;
CREATE TABLE sender (name text NOT NULL COLLATE "C", code_commune text NOT NULL COLLATE "C", speaks_for_agents boolean DEFAULT false NOT NULL );
CREATE TABLE volume (name text NOT NULL COLLATE "C", token text NOT NULL COLLATE "C", marked_at timestamp with time zone );
ALTER TABLE ONLY agent ADD CONSTRAINT agent_pkey PRIMARY KEY (name, code_commune);
ALTER TABLE ONLY alembic_version ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY audit ADD CONSTRAINT audit_pkey PRIMARY KEY (id);
ALTER TABLE ONLY bureau ADD CONSTRAINT bureau_pkey PRIMARY KEY (code_commune, code);
ALTER TABLE ONLY commune ADD CONSTRAINT commune_pkey PRIMARY KEY (code);
ALTER TABLE ONLY doubt ADD CONSTRAINT doubt_pkey PRIMARY KEY (id);
ALTER TABLE ONLY electeur ADD CONSTRAINT electeur_pkey PRIMARY KEY (id);
ALTER TABLE ONLY export ADD CONSTRAINT export_pkey PRIMARY KEY (id);
ALTER TABLE ONLY homonym ADD CONSTRAINT homonym_pkey PRIMARY KEY (id);
ALTER TABLE ONLY import_liste ADD CONSTRAINT import_liste_pkey PRIMARY KEY (import_id, code_commune, liste);
ALTER TABLE ONLY import ADD CONSTRAINT import_pkey PRIMARY KEY (id);
ALTER TABLE ONLY liste ADD CONSTRAINT liste_pkey PRIMARY KEY (code_commune, liste);
ALTER TABLE ONLY notification ADD CONSTRAINT notification_pkey PRIMARY KEY (id);
ALTER TABLE ONLY parked ADD CONSTRAINT parked_pkey PRIMARY KEY (id);
ALTER TABLE ONLY audit_head ADD CONSTRAINT pk_audit_head PRIMARY KEY (id);
ALTER TABLE ONLY audit_word ADD CONSTRAINT pk_audit_word PRIMARY KEY (sign);
ALTER TABLE ONLY commission ADD CONSTRAINT pk_commission PRIMARY KEY (code_commune, liste, date);
ALTER TABLE ONLY dead_letters ADD CONSTRAINT pk_dead_letters PRIMARY KEY (queue, account, day);
ALTER TABLE ONLY depot ADD CONSTRAINT pk_depot PRIMARY KEY (export_id);
ALTER TABLE ONLY listener ADD CONSTRAINT pk_listener PRIMARY KEY (name, routing_key);
ALTER TABLE ONLY mouvement ADD CONSTRAINT pk_mouvement PRIMARY KEY (id);
ALTER TABLE ONLY process ADD CONSTRAINT pk_process PRIMARY KEY (name);
ALTER TABLE ONLY protection ADD CONSTRAINT pk_protection PRIMARY KEY (id);
ALTER TABLE ONLY publication ADD CONSTRAINT pk_publication PRIMARY KEY (export_id);
ALTER TABLE ONLY reminder_echeance ADD CONSTRAINT pk_reminder_echeance PRIMARY KEY (code_commune, echeance, due_on, days);
ALTER TABLE ONLY scrutin ADD CONSTRAINT pk_scrutin PRIMARY KEY (code_commune, date);
ALTER TABLE ONLY token_commune ADD CONSTRAINT pk_token_commune PRIMARY KEY (token_id, code_commune);
ALTER TABLE ONLY volume ADD CONSTRAINT pk_volume PRIMARY KEY (name);
ALTER TABLE ONLY preview ADD CONSTRAINT preview_pkey PRIMARY KEY (id);
ALTER TABLE ONLY recall ADD CONSTRAINT recall_pkey PRIMARY KEY (id);
ALTER TABLE ONLY recipient ADD CONSTRAINT recipient_pkey PRIMARY KEY (id);
ALTER TABLE ONLY reminder ADD CONSTRAINT reminder_pkey PRIMARY KEY (id);
ALTER TABLE ONLY request ADD CONSTRAINT request_pkey PRIMARY KEY (id);
ALTER TABLE ONLY sender ADD CONSTRAINT sender_pkey PRIMARY KEY (name, code_commune);
ALTER TABLE ONLY token ADD CONSTRAINT token_pkey PRIMARY KEY (id);
ALTER TABLE ONLY export ADD CONSTRAINT uq_export_file_name UNIQUE (file_name);
ALTER TABLE ONLY export ADD CONSTRAINT uq_export_request_id_part UNIQUE (request_id, part);
ALTER TABLE ONLY notification ADD CONSTRAINT uq_notification_reminder_id_recipient UNIQUE (reminder_id, recipient);
ALTER TABLE ONLY notification ADD CONSTRAINT uq_notification_request_id_recipient UNIQUE (request_id, recipient);
ALTER TABLE ONLY parked ADD CONSTRAINT uq_parked_sender_source_event_id UNIQUE (sender, source, event_id);
ALTER TABLE ONLY protection ADD CONSTRAINT uq_protection_code_commune_nom_naissance_prenoms_date_naissance UNIQUE (code_commune, nom_naissance, prenoms, date_naissance);
ALTER TABLE ONLY reminder ADD CONSTRAINT uq_reminder_code_commune_day UNIQUE (code_commune, day);
ALTER TABLE ONLY token ADD CONSTRAINT uq_token_name UNIQUE (name);
CREATE INDEX ix_audit_at ON audit USING btree (at);
CREATE INDEX ix_audit_commune ON audit USING btree (code_commune, at);
CREATE INDEX ix_doubt_import_id ON doubt USING btree (import_id);
CREATE INDEX ix_electeur_facts ON electeur USING btree (code_commune, liste, version) WHERE (facts > 0);
CREATE INDEX ix_electeur_ordre ON electeur USING btree (code_commune, liste, version, code_bureau, numero_ordre NULLS FIRST);
CREATE INDEX ix_export_commune ON export USING btree (code_commune, id);
CREATE INDEX ix_export_finished_at ON export USING btree (finished_at);
CREATE INDEX ix_export_purge ON export USING btree (id) WHERE (owner = 'purge'::text);
CREATE INDEX ix_export_recall ON export USING btree (recall_id) WHERE (recall_id IS NOT NULL);
CREATE INDEX ix_export_status ON export USING btree (status);
CREATE INDEX ix_export_turn ON export USING btree (kind, is_bulk, turn, id) WHERE (status = 'queued'::text);
CREATE INDEX ix_export_unfinished ON export USING btree (id) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE INDEX ix_homonym_import_id ON homonym USING btree (import_id);
CREATE INDEX ix_import_liste_liste ON import_liste USING btree (code_commune, liste);
CREATE INDEX ix_mouvement_identite ON mouvement USING btree (code_commune, liste, nom_naissance, prenoms, date_naissance, is_protegee);
CREATE INDEX ix_mouvement_import ON mouvement USING btree (import_id);
CREATE INDEX ix_notification_commune ON notification USING btree (code_commune, created_at);
CREATE UNIQUE INDEX ix_notification_recall_recipient ON notification USING btree (recall_id, recipient);
CREATE INDEX ix_notification_settled_at ON notification USING btree (settled_at);
CREATE INDEX ix_parked_due_at ON parked USING btree (due_at);
CREATE INDEX ix_parked_waits_for ON parked USING btree (waits_for);
CREATE INDEX ix_preview_code_commune ON preview USING btree (code_commune);
CREATE INDEX ix_preview_import_request_id ON preview USING btree (import_request_id);
CREATE INDEX ix_preview_request_id ON preview USING btree (request_id);
CREATE INDEX ix_preview_unerased ON preview USING btree (id) WHERE (erased_at IS NULL);
CREATE INDEX ix_recall_told_at ON recall USING btree (told_at);
CREATE INDEX ix_reminder_echeance_reminder_id ON reminder_echeance USING btree (reminder_id);
CREATE INDEX ix_request_commune ON request USING btree (code_commune, id);
CREATE INDEX ix_request_created_at ON request USING btree (created_at);
CREATE INDEX ix_request_progress ON request USING btree (id) WHERE ((progress_at IS NOT NULL) AND (settled_at IS NULL));
CREATE INDEX ix_request_refused ON request USING btree (sender, id) WHERE (outcome = 'refused'::text);
CREATE INDEX ix_request_settled ON request USING btree (is_bulk, turn, id) WHERE ((settled_at IS NOT NULL) AND (told_at IS NULL));
CREATE INDEX ix_request_share ON request USING btree (share, turn) WHERE ((settled_at IS NULL) AND (told_at IS NULL));
CREATE INDEX ix_request_turn ON request USING btree (is_bulk, turn) WHERE ((settled_at IS NULL) AND (told_at IS NULL));
CREATE INDEX ix_request_unanswered ON request USING btree (is_bulk, id) WHERE (announced_at IS NULL);
CREATE INDEX ix_request_untold ON request USING btree (told_at);
CREATE UNIQUE INDEX uq_audit_word_agent ON audit_word USING btree (said) WHERE (kind = 'agent'::text);
CREATE UNIQUE INDEX uq_request_payload ON request USING btree (source, event_id, sender, payload_hash);
CREATE UNIQUE INDEX uq_request_sender ON request USING btree (source, event_id, sender) WHERE (code <> ALL (ARRAY['key_reused'::text, 'evenement_illisible'::text]));
CREATE TRIGGER electeur_changed BEFORE UPDATE OF id, code_commune, liste, version, code_bureau, numero_ordre, numero_general, sexe, nom_naissance, nom_usage, prenoms, date_naissance, code_commune_naissance, commune_naissance, departement_naissance, pays_naissance, nationalite, complement1, complement2, numero_voie, type_voie, libelle_voie, lieu_dit, code_postal, ville, pays, nettoyages ON electeur FOR EACH ROW EXECUTE FUNCTION electeur_changed();
CREATE TRIGGER keep_audit BEFORE DELETE OR UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION keep_audit();
CREATE TRIGGER keep_audit_whole BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION keep_audit();
ALTER TABLE ONLY export ADD CONSTRAINT export_request_id_fkey FOREIGN KEY (request_id) REFERENCES request(id);
ALTER TABLE ONLY depot ADD CONSTRAINT fk_depot_export_id FOREIGN KEY (export_id) REFERENCES export(id);
ALTER TABLE ONLY doubt ADD CONSTRAINT fk_doubt_import_id FOREIGN KEY (import_id) REFERENCES import(id);
ALTER TABLE ONLY mouvement ADD CONSTRAINT fk_mouvement_import_id FOREIGN KEY (import_id) REFERENCES import(id);
ALTER TABLE ONLY notification ADD CONSTRAINT fk_notification_reminder_id FOREIGN KEY (reminder_id) REFERENCES reminder(id);
ALTER TABLE ONLY notification ADD CONSTRAINT fk_notification_request_id FOREIGN KEY (request_id) REFERENCES request(id);
ALTER TABLE ONLY preview ADD CONSTRAINT fk_preview_import_request_id FOREIGN KEY (import_request_id) REFERENCES request(id);
ALTER TABLE ONLY preview ADD CONSTRAINT fk_preview_request_id FOREIGN KEY (request_id) REFERENCES request(id);
ALTER TABLE ONLY publication ADD CONSTRAINT fk_publication_export_id FOREIGN KEY (export_id) REFERENCES export(id);
ALTER TABLE ONLY reminder_echeance ADD CONSTRAINT fk_reminder_echeance_reminder_id FOREIGN KEY (reminder_id) REFERENCES reminder(id);
ALTER TABLE ONLY token_commune ADD CONSTRAINT fk_token_commune_token_id_token FOREIGN KEY (token_id) REFERENCES token(id);
ALTER TABLE ONLY homonym ADD CONSTRAINT homonym_import_id_fkey FOREIGN KEY (import_id) REFERENCES import(id);
ALTER TABLE ONLY import_liste ADD CONSTRAINT import_liste_import_id_fkey FOREIGN KEY (import_id) REFERENCES import(id);
REVOKE ALL ON FUNCTION purge_audit(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION purge_refused(bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION purge_versions(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION lock_exports() FROM PUBLIC;
