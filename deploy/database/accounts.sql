-- The database « prefecture » and its ten accounts, made by psql as superuser; a second time sets the passwords again.
-- The owner migrates and runs the operator's commands. What the others may do is granted by « python -m worker migrate » (worker/db/migrate.py).
\set ON_ERROR_STOP on
\set owner `cat "${SECRETS_DIR:-/run/secrets}/database_owner_password"`
\set requests `cat "${SECRETS_DIR:-/run/secrets}/database_requests_password"`
\set listes `cat "${SECRETS_DIR:-/run/secrets}/database_listes_password"`
\set tableaux `cat "${SECRETS_DIR:-/run/secrets}/database_tableaux_password"`
\set bulk `cat "${SECRETS_DIR:-/run/secrets}/database_bulk_password"`
\set worker `cat "${SECRETS_DIR:-/run/secrets}/database_worker_password"`
\set registre `cat "${SECRETS_DIR:-/run/secrets}/database_registre_password"`
\set notifier `cat "${SECRETS_DIR:-/run/secrets}/database_notifier_password"`
\set ecran `cat "${SECRETS_DIR:-/run/secrets}/database_ecran_password"`
\set lecture `cat "${SECRETS_DIR:-/run/secrets}/database_lecture_password"`

-- What each may take of the server: connections, seconds for one statement (0: no end, an import is long), and disk for a
-- sort that does not fit into memory. Who only reads may not write even where a grant would let them: they could undo that
-- by themselves, and then find nothing to write to. A process that makes files takes two connections: those of deploy/kubernetes/scaling.yaml
-- at their most (fifteen processes of lists, sixteen of tableaux), and a few while one container follows another.
CREATE TEMPORARY TABLE account AS
SELECT * FROM (
  VALUES
    ('prefecture', :'owner', 10, '0', '16GB', 'off'),
    ('prefecture_requests', :'requests', 10, '10min', '1GB', 'off'),
    ('prefecture_listes', :'listes', 36, '10min', '4GB', 'off'),
    ('prefecture_tableaux', :'tableaux', 36, '10min', '4GB', 'off'),
    ('prefecture_bulk', :'bulk', 20, '10min', '4GB', 'off'),
    ('prefecture_worker', :'worker', 10, '10min', '4GB', 'off'), -- of the release before, and of who runs all in one
    ('prefecture_registre', :'registre', 15, '0', '16GB', 'off'),
    ('prefecture_notifier', :'notifier', 12, '2min', '256MB', 'off'),
    ('prefecture_ecran', :'ecran', 18, '30s', '256MB', 'on'),
    ('prefecture_lecture', :'lecture', 9, '30s', '256MB', 'on')
) AS account (name, password, connections, patience, disk, reads_only);

SELECT format('CREATE ROLE %I LOGIN', name) FROM account WHERE to_regrole(name) IS NULL \gexec
SELECT format('ALTER ROLE %I PASSWORD %L CONNECTION LIMIT %s', name, nullif(password, ''), connections) FROM account \gexec

-- All of them together, when the server starts next.
SELECT 'ALTER SYSTEM SET max_connections = 180' WHERE current_setting('max_connections')::int < 180 \gexec

SELECT 'CREATE DATABASE prefecture OWNER prefecture ENCODING ''UTF8'' TEMPLATE template0'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'prefecture') \gexec
REVOKE ALL ON DATABASE prefecture FROM PUBLIC;
GRANT CONNECT ON DATABASE prefecture
TO prefecture_requests, prefecture_listes, prefecture_tableaux, prefecture_bulk, prefecture_worker, prefecture_registre, prefecture_notifier, prefecture_ecran, prefecture_lecture;
GRANT TEMPORARY ON DATABASE prefecture TO prefecture_registre; -- two exports are compared there

SELECT format('ALTER ROLE %I IN DATABASE prefecture SET %s = %L', name, setting, value)
FROM account,
  LATERAL (VALUES ('statement_timeout', patience), ('temp_file_limit', disk), ('default_transaction_read_only', reads_only))
    AS limits (setting, value) \gexec

SELECT string_agg(quote_ident(name), ', ') AS writers FROM account WHERE reads_only = 'off' \gset
\connect prefecture
REVOKE CREATE ON SCHEMA public FROM PUBLIC; -- as PostgreSQL itself does since its version 15
-- Large objects need no right on any table, and a lock taken by its number holds up whoever asks for the same one: the
-- first are for nobody, the second for those who write.
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure) FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^(lo_|loread$|lowrite$|pg_(try_)?advisory_)' \gexec
SELECT format('GRANT EXECUTE ON FUNCTION %s TO %s', oid::regprocedure, :'writers') FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_(try_)?advisory_' \gexec
