#!/bin/sh
# Stop who works: what upgrade.sh and rollback.sh do before the image changes. The screen goes on taking requests.
set -eu
cd "$(dirname "$0")/.."
working=$(docker compose config --services | grep -e '^worker-' -e '^notifier$')
# shellcheck disable=SC2086 # one word a service
docker compose stop $working
