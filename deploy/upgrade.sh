#!/bin/sh
# From the running release to the one of this checkout, as docs/operations.md says (« A new release »): back up, build,
# stop who works, migrate, start, check. The screen is away for seconds; what is asked meanwhile waits in the broker.
set -eu
cd "$(dirname "$0")/.."

# set_in_env NAME VALUE: what Docker Compose reads from .env.
set_in_env() {
    touch .env
    { grep -v "^$1=" .env || true; echo "$1=$2"; } >.env.new
    mv .env.new .env
}

sh deploy/secrets.sh
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
revision=$(git rev-parse --short=12 HEAD 2>/dev/null || date -u +%Y%m%d%H%M%S)
running=$(docker compose ps --format '{{.Image}}' web | head -n 1)
image=prefecture:$version-$revision
[ "$image" != "$running" ] || { echo "upgrade.sh: $image runs already" >&2 && exit 1; }

mkdir -p -m 700 var/backups
backup=var/backups/$(date -u +%Y%m%dT%H%M%SZ).dump
(umask 077; docker compose exec -T database pg_dump --username=postgres --format=custom prefecture >"$backup")
revision_before=$(docker compose exec -T database psql --username=postgres --no-align --tuples-only \
    --command='SELECT version_num FROM alembic_version' prefecture)
echo "upgrade.sh: the database, of revision $revision_before, is in $backup"
find var/backups -name '*.dump' -mtime +30 -delete

set_in_env MODULE_VERSION "$version"
set_in_env MODULE_REVISION "$revision"
set_in_env MODULE_DATE "$(git log -1 --format=%ct 2>/dev/null || date +%s)"
MODULE_IMAGE=$image docker compose build --quiet migrate
# What exactly this release runs: the digests that a registry gave; images made or loaded here have none but their id.
base=$(sed -n 's/^PYTHON_IMAGE=//p' .env | tail -n 1)
for name in "${base:-$(sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile | head -n 1)}" $(MODULE_IMAGE=$image docker compose config --images | sort -u); do
    docker image inspect --format "$(date -u +%FT%TZ) $name {{.Id}} {{range .RepoDigests}}{{.}} {{end}}" "$name" 2>/dev/null || true
done >>var/images.txt
# A setting or a database that this release refuses is said here, while everything still runs.
MODULE_IMAGE=$image docker compose run --rm -T --no-deps migrate python -m worker migrate --check
sh deploy/stop.sh
set_in_env MODULE_IMAGE_BEFORE "$running"
set_in_env MODULE_BACKUP_BEFORE "$backup"
set_in_env MODULE_REVISION_BEFORE "$revision_before"
set_in_env MODULE_IMAGE "$image"
# A release may bring an account: its password first, by the secret that the new container sees.
docker compose up --detach --wait database
docker compose exec -T database psql --username=postgres --quiet --file=/docker-entrypoint-initdb.d/accounts.sql
# And what each account may do at the broker, which keeps running.
docker compose up --detach --wait broker
sh deploy/broker/definitions.sh deploy/broker/definitions.json var/secrets |
    docker compose exec -T broker sh -c \
        'umask 077; cat >/tmp/definitions.json; rabbitmqctl --quiet import_definitions /tmp/definitions.json'
docker compose up --detach

for try in $(seq 60); do
    waiting=$(docker compose ps --all --format '{{.Service}} {{.State}} {{.Health}}' | grep -v -e ' healthy$' -e '^migrate exited' -e '^command ' || true)
    [ -n "$waiting" ] || { echo "upgrade.sh: $image runs, and is healthy" && exit 0; }
    sleep 2
done
echo "upgrade.sh: not healthy after two minutes: $waiting
sh deploy/rollback.sh   # starts $running again" >&2
exit 1
