#!/bin/sh
# As the image's documentation says: an empty data directory is initialised, by the options of POSTGRES_INITDB_ARGS, with
# the password of POSTGRES_PASSWORD_FILE and the .sql files of /docker-entrypoint-initdb.d, by a server that listens on
# its socket only.
set -eu
if [ "$(id -u)" = 0 ]; then
    exec gosu postgres "$0" "$@"
fi
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    # shellcheck disable=SC2086 # several options
    initdb --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-} >/dev/null
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    pg_ctl --wait --options="-c listen_addresses=''" start
    for file in /docker-entrypoint-initdb.d/*.sql; do
        [ -e "$file" ] || continue
        echo "running $file"
        psql --username=postgres --no-password --set=ON_ERROR_STOP=1 --dbname=postgres --file="$file"
    done
    pg_ctl --wait --mode=fast stop
fi
exec "$@"
