#!/bin/sh
# Back to the image that upgrade.sh replaced. The database stays as it is: a release works on the form of the next one,
# or says that it does not (docs/operations.md, « A new release »).
set -eu
cd "$(dirname "$0")/.."
before=$(sed -n 's/^MODULE_IMAGE_BEFORE=//p' .env)
[ -n "$before" ] || { echo "rollback.sh: .env names no MODULE_IMAGE_BEFORE: upgrade.sh did not run here" >&2 && exit 1; }
docker image inspect "$before" >/dev/null
sh deploy/stop.sh
sed -i "s|^MODULE_IMAGE=.*|MODULE_IMAGE=$before|" .env
docker compose up --detach
echo "rollback.sh: $before runs"
