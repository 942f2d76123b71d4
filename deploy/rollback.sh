#!/bin/sh
# Back to the image that upgrade.sh replaced. The database stays as it is if its revision is the same. Otherwise the
# dump that upgrade.sh made must come back (docs/operations.md, « A new release »): only with --restore.
set -eu
cd "$(dirname "$0")/.."
in_env() { sed -n "s/^$1=//p" .env; }
in_database() { docker compose exec -T database "$@"; }

before=$(in_env MODULE_IMAGE_BEFORE)
backup=$(in_env MODULE_BACKUP_BEFORE)
revision=$(in_env MODULE_REVISION_BEFORE)
[ -n "$before" ] || { echo "rollback.sh: .env names no MODULE_IMAGE_BEFORE: upgrade.sh did not run here" >&2 && exit 1; }
docker image inspect "$before" >/dev/null
is_too_new=$(in_database psql --username=postgres --no-align --tuples-only \
    --command="SELECT version_num > '$revision' FROM alembic_version" prefecture)
if [ "$is_too_new" = t ]; then
    [ -r "$backup" ] || { echo "rollback.sh: $before needs its database of before: no backup in $backup" >&2 && exit 1; }
    [ "${1:-}" = --restore ] || { echo "rollback.sh: $before does not work on this database: nothing was changed.
sh deploy/rollback.sh --restore   # restores $backup: what was recorded since is lost" >&2 && exit 1; }
fi
sh deploy/stop.sh
if [ "$is_too_new" = t ]; then
    docker compose stop web
    left=var/backups/$(date -u +%Y%m%dT%H%M%SZ)-rollback.dump
    (umask 077; in_database pg_dump --username=postgres --format=custom prefecture >"$left")
    in_database psql --username=postgres --command='DROP DATABASE prefecture WITH (FORCE)'
    in_database psql --username=postgres --quiet --file=/docker-entrypoint-initdb.d/accounts.sql
    in_database pg_restore --username=postgres --dbname=prefecture --exit-on-error \
        --no-owner --role=prefecture --no-privileges <"$backup"
    echo "rollback.sh: the database of $backup is back; the one that it replaced is in $left"
fi
# What each account may do at the broker, as the files of that release say.
docker compose up --detach --wait broker
sh deploy/broker/definitions.sh deploy/broker/definitions.json var/secrets |
    docker compose exec -T broker sh -c \
        'umask 077; cat >/tmp/definitions.json; rabbitmqctl --quiet import_definitions /tmp/definitions.json'
sed -i "s|^MODULE_IMAGE=.*|MODULE_IMAGE=$before|" .env
docker compose up --detach # its `migrate` gives the accounts their rights
for try in $(seq 60); do
    waiting=$(docker compose ps --all --format '{{.Service}} {{.State}} {{.Health}}' | grep -v -e ' healthy$' -e '^migrate exited' -e '^command ' || true)
    [ -n "$waiting" ] || { echo "rollback.sh: $before runs, and is healthy" && exit 0; }
    sleep 2
done
echo "rollback.sh: $before runs, but after two minutes this is not healthy: $waiting" >&2
exit 1
