#!/bin/sh
# Ask for the list files of a commune with amqp-publish (Debian: amqp-tools).
#   PREFECTURE_AMQP_URL=amqp://account:password@host/vhost ./request_export.sh 13900
#
# amqp-publish has no publisher confirms and no mandatory flag: 0 means « handed to the connection », not « held by the
# broker », and it shows the address to everyone who may list processes. It cannot say which account asks either, so it is
# refused, except in the embedded mode. Good for a trial; for service, take another example.
set -eu

: "${PREFECTURE_AMQP_URL:?the address of RabbitMQ, amqp://account:password@host/vhost}"
commune=${1:?usage: request_export.sh CODE_COMMUNE}
case $commune in
    [0-9][0-9AB][0-9][0-9][0-9]) ;;
    *) echo "not an INSEE commune code: $commune" >&2; exit 2 ;;
esac

account=${PREFECTURE_AMQP_URL#*://}
account=${account%%:*}
type=fr.openelec.prefecture.request.liste_export.v1
id=$(cat /proc/sys/kernel/random/uuid)
time=$(date -u +%Y-%m-%dT%H:%M:%SZ)

amqp-publish --url="$PREFECTURE_AMQP_URL" --exchange=prefecture --routing-key="$account.$type" --persistent \
    --content-type='application/cloudevents+json; charset=utf-8' \
    --body='{"specversion":"1.0","id":"'"$id"'","source":"/examples/shell","type":"'"$type"'","time":"'"$time"'",
"datacontenttype":"application/json",
"data":{"commune":"'"$commune"'","listes":["P","CE","CM"],"formats":["csv"],"requested_by":"exemple"}}'
echo "$id"
