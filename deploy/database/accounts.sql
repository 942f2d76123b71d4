-- The database « prefecture » and its seven accounts, made by psql as superuser; a second run sets the passwords again.
-- The owner migrates and runs the operator's commands. « python -m worker migrate » grants the rights of the others
-- (worker/db/migrate.py).
\set ON_ERROR_STOP on
\set owner `cat "${SECRETS_DIR:-/run/secrets}/database_owner_password"`
\set requests `cat "${SECRETS_DIR:-/run/secrets}/database_requests_password"`
\set registre `cat "${SECRETS_DIR:-/run/secrets}/database_registre_password"`
\set files `cat "${SECRETS_DIR:-/run/secrets}/database_files_password"`
\set notifier `cat "${SECRETS_DIR:-/run/secrets}/database_notifier_password"`
\set ecran `cat "${SECRETS_DIR:-/run/secrets}/database_ecran_password"`
\set lecture `cat "${SECRETS_DIR:-/run/secrets}/database_lecture_password"`

-- The limits of each account: connections, seconds for one statement (0: no limit, an import is long), and disk for a
-- sort that does not fit into memory. An account that only reads may not write even where a grant would allow it; it
-- could set that back by itself, and would find no grant.
-- A process that makes files takes two connections. deploy/kubernetes/scaling.yaml starts at most 38 of them, and the
-- rest is for containers that follow one another. KEDA holds one connection of the reader for each of its queries.
CREATE TEMPORARY TABLE account AS
SELECT * FROM (
  VALUES
    ('prefecture', :'owner', 10, '0', '16GB', 'off'),
    ('prefecture_requests', :'requests', 10, '10min', '1GB', 'off'),
    ('prefecture_registre', :'registre', 15, '0', '16GB', 'off'),
    ('prefecture_files', :'files', 90, '10min', '4GB', 'off'),
    ('prefecture_notifier', :'notifier', 12, '2min', '256MB', 'off'),
    ('prefecture_ecran', :'ecran', 18, '30s', '256MB', 'on'),
    ('prefecture_lecture', :'lecture', 12, '30s', '256MB', 'on')
) AS account (name, password, connections, patience, disk, reads_only);

SELECT format('CREATE ROLE %I LOGIN', name) FROM account WHERE to_regrole(name) IS NULL \gexec
SELECT format('ALTER ROLE %I PASSWORD %L CONNECTION LIMIT %s', name, nullif(password, ''), connections) FROM account \gexec

-- The sum of these limits, with some for the superuser; it takes effect when the server starts next.
SELECT 'ALTER SYSTEM SET max_connections = 180' WHERE current_setting('max_connections')::int < 180 \gexec

SELECT 'CREATE DATABASE prefecture OWNER prefecture ENCODING ''UTF8'' TEMPLATE template0'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'prefecture') \gexec
REVOKE ALL ON DATABASE prefecture FROM PUBLIC;
GRANT CONNECT ON DATABASE prefecture
TO prefecture_requests, prefecture_registre, prefecture_files, prefecture_notifier, prefecture_ecran, prefecture_lecture;
GRANT TEMPORARY ON DATABASE prefecture TO prefecture_registre; -- two exports are compared there

-- The age of other accounts' transactions, which `check`, `why` and the metrics read, is shown to members of this role
-- only (worker/db/sessions.py). They also see the text of statements; ours name no elector, since values are parameters. A
-- function of the superuser would show less, but each dump would contain it, and pg_restore would fail on it.
GRANT pg_read_all_stats TO prefecture, prefecture_notifier;

SELECT format('ALTER ROLE %I IN DATABASE prefecture SET %s = %L', name, setting, value)
FROM account,
  LATERAL (VALUES ('statement_timeout', patience), ('temp_file_limit', disk), ('default_transaction_read_only', reads_only))
    AS limits (setting, value) \gexec

SELECT string_agg(quote_ident(name), ', ') AS writers FROM account WHERE reads_only = 'off' \gset
\connect prefecture
DO $$
DECLARE former name;
BEGIN
  FOR former IN
    SELECT rolname FROM pg_roles
    WHERE rolname IN ('prefecture_listes', 'prefecture_tableaux', 'prefecture_bulk', 'prefecture_worker')
  LOOP
    EXECUTE format('DROP OWNED BY %I', former);
    EXECUTE format('DROP ROLE %I', former);
    RAISE NOTICE 'the account % of release 0.3.0, which no process uses any more, is dropped', former;
  END LOOP;
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC; -- as PostgreSQL itself does since its version 15
-- Large objects need no right on any table: no account may use them. An advisory lock blocks each session that asks for
-- the same number: accounts that write may take one.
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure) FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^(lo_|loread$|lowrite$|pg_(try_)?advisory_)' \gexec
SELECT format('GRANT EXECUTE ON FUNCTION %s TO %s', oid::regprocedure, :'writers') FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_(try_)?advisory_' \gexec
