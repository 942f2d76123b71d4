#!/bin/sh
# As the image's documentation says: as root it becomes `rabbitmq`; else it runs the server that is named.
set -eu
if [ "$(id -u)" = 0 ]; then
    exec gosu rabbitmq "$0" "$@"
fi
exec "$@"
