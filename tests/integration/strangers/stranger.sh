#!/bin/sh
# Asks for a list, hears the answer, takes the file; verifies a webhook. Knows the published files and nothing else.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

ask() {
    type=fr.openelec.prefecture.request.liste_export.v1
    id=$(cat /proc/sys/kernel/random/uuid)
    jq --null-input --compact-output --arg id "$id" --arg type "$type" --arg commune "$1" \
        '{specversion: "1.0", $id, source: "/strangers/shell", $type, time: (now | todate),
          data: {$commune, listes: ["CE"], formats: ["csv"], requested_by: "stranger"}}' >"$folder/event.json"
    check-jsonschema --schemafile "$SCHEMA" "$folder/event.json" >/dev/null
    jq '.data.commune = "LIBREVILLE"' "$folder/event.json" >"$folder/wrong.json"
    if check-jsonschema --schemafile "$SCHEMA" "$folder/wrong.json" >/dev/null; then
        echo "a wrong event is not noticed" >&2
        exit 1
    fi
    account=${PREFECTURE_AMQP_URL#*://}
    amqp-publish --url="$PREFECTURE_AMQP_URL" --exchange=prefecture --routing-key="${account%%:*}.$type" --persistent \
        --content-type='application/cloudevents+json; charset=utf-8' <"$folder/event.json"
    : >"$folder/accepted" && : >"$folder/ready"
    until [ -s "$folder/accepted" ] && [ -s "$folder/ready" ]; do
        amqp-get --url="$PREFECTURE_AMQP_URL" --queue="$QUEUE" >"$folder/heard" || { sleep 0.2 && continue; }
        for kind in accepted ready; do
            jq --arg id "$id" --arg kind "$kind" \
                'select(.data.request.id == $id and .data.status == $kind) | .data' \
                "$folder/heard" >"$folder/found"
            [ ! -s "$folder/found" ] || mv "$folder/found" "$folder/$kind"
        done
    done
    curl --silent --fail --header "Authorization: Bearer $TOKEN" --output "$folder/file" "$(jq -r .file.url "$folder/ready")"
    digest=$(sha256sum <"$folder/file")
    echo "$id $(jq '.exports | length' "$folder/accepted") $(jq -r .file.sha256 "$folder/ready") ${digest%% *}"
}

verify() {
    cat >"$folder/body"
    key=$(printf %s "${SECRET#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
    expected=$({ printf %s "$1.$2." && cat "$folder/body"; } |
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
    age=$(($(date +%s) - $2))
    case " $3 " in
        *" v1,$expected "*) [ "${age#-}" -le 300 ] ;;
        *) exit 1 ;;
    esac
    jq length "$folder/body"
}

"$@"
