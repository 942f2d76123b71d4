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

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
revision=$(git rev-parse --short=12 HEAD 2>/dev/null || date -u +%Y%m%d%H%M%S)
running=$(docker compose ps --format '{{.Image}}' web | head -n 1)
image=prefecture:$version-$revision
[ "$image" != "$running" ] || { echo "upgrade.sh: $image runs already" >&2 && exit 1; }

sh deploy/secrets.sh
mkdir -p -m 700 var/backups
backup=var/backups/$(date -u +%Y%m%dT%H%M%SZ).dump
(umask 077; docker compose exec -T database pg_dump --username=postgres --format=custom prefecture >"$backup")
echo "upgrade.sh: the database is in $backup"

set_in_env MODULE_VERSION "$version"
set_in_env MODULE_REVISION "$revision"
MODULE_IMAGE=$image docker compose build --quiet migrate
docker compose stop worker-requests worker-listes worker-tableaux worker-bulk notifier
set_in_env MODULE_IMAGE_BEFORE "$running"
set_in_env MODULE_IMAGE "$image"
docker compose up --detach

for try in $(seq 60); do
    waiting=$(docker compose ps --all --format '{{.Service}} {{.State}} {{.Health}}' | grep -v -e ' healthy$' -e '^migrate exited' || true)
    [ -n "$waiting" ] || { echo "upgrade.sh: $image runs, and is healthy" && exit 0; }
    sleep 2
done
echo "upgrade.sh: not healthy after two minutes: $waiting
sh deploy/rollback.sh   # starts $running again" >&2
exit 1
