#!/bin/sh
# Ask for a list, read the answer, take the file (`ask COMMUNE`); verify a webhook (`verify ID TIMESTAMP SIGNATURE`).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

api() {
    curl --silent --fail --header "Authorization: Bearer $TOKEN" --output "$folder/answer" "$@"
}

ask() {
    type=fr.openelec.prefecture.request.liste_export.v1
    id=$(cat /proc/sys/kernel/random/uuid)
    jq --null-input --compact-output --arg id "$id" --arg type "$type" --arg commune "$1" \
        '{specversion: "1.0", $id, source: "/examples/shell", $type, time: (now | todate),
          data: {$commune, listes: ["CE"], formats: ["csv"], requested_by: "stranger"}}' >"$folder/event.json"
    check-jsonschema --schemafile "$SCHEMA" "$folder/event.json" >/dev/null
    jq '.data.commune = "LIBREVILLE"' "$folder/event.json" >"$folder/wrong.json"
    if check-jsonschema --schemafile "$SCHEMA" "$folder/wrong.json" >/dev/null; then
        echo "a wrong event is not noticed" >&2
        exit 1
    fi
    api --header 'Content-Type: application/cloudevents+json' --data @"$folder/event.json" "$URL/api/v1/events"
    uuid=$(jq --raw-output .request.uuid "$folder/answer")
    until jq --exit-status '.exports[0].status == "ready"' "$folder/answer" >/dev/null 2>&1; do
        sleep 0.2
        api "$URL/api/v1/requests/$uuid" || true # 404 until a worker has read it
    done
    path=$(jq --raw-output '.exports[0].file.url' "$folder/answer")
    cp "$folder/answer" "$folder/request"
    api "$URL$path"
    mv "$folder/answer" "$folder/file"
    digest=$(sha256sum <"$folder/file")
    echo "$id $(jq '.exports | length' "$folder/request") $(jq -r '.exports[0].file.sha256' "$folder/request") ${digest%% *}"
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
