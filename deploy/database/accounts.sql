-- The database « prefecture » and its four accounts, made by psql as superuser; a second time sets the passwords again.
-- The owner migrates and imports. What the others may do is granted by « python -m worker migrate » (worker/db/grants.py).
\set ON_ERROR_STOP on
\set owner `cat "${SECRETS_DIR:-/run/secrets}/database_owner_password"`
\set worker `cat "${SECRETS_DIR:-/run/secrets}/database_worker_password"`
\set notifier `cat "${SECRETS_DIR:-/run/secrets}/database_notifier_password"`
\set lecture `cat "${SECRETS_DIR:-/run/secrets}/database_lecture_password"`

CREATE TEMPORARY TABLE account AS
SELECT * FROM (
  VALUES
    ('prefecture', :'owner'),
    ('prefecture_worker', :'worker'),
    ('prefecture_notifier', :'notifier'),
    ('prefecture_lecture', :'lecture')
) AS account (name, password);

SELECT format('CREATE ROLE %I LOGIN', name) FROM account WHERE to_regrole(name) IS NULL \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', name, nullif(password, '')) FROM account \gexec

SELECT 'CREATE DATABASE prefecture OWNER prefecture ENCODING ''UTF8'' TEMPLATE template0'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'prefecture') \gexec
REVOKE ALL ON DATABASE prefecture FROM PUBLIC;
GRANT CONNECT ON DATABASE prefecture TO prefecture_worker, prefecture_notifier, prefecture_lecture;

-- Who only reads may not write even where a grant would let them, nor hold the database up.
ALTER ROLE prefecture_lecture IN DATABASE prefecture SET default_transaction_read_only = on;
ALTER ROLE prefecture_lecture IN DATABASE prefecture SET statement_timeout = '30s';

\connect prefecture
REVOKE CREATE ON SCHEMA public FROM PUBLIC; -- as PostgreSQL itself does since its version 15
