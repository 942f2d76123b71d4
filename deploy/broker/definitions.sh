#!/bin/sh
# definitions.sh TEMPLATE SECRETS: prints the definitions that RabbitMQ loads, each @account@ of the template replaced
# by the hash of the password in SECRETS/broker_<account>_password: base64(salt + SHA-256(salt + password)), four bytes
# of salt (rabbit_password_hashing_sha256).
set -eu

hash_of() {
    password=$(cat "$1")
    [ -n "$password" ] || { echo "definitions.sh: $1 is empty" >&2 && exit 1; }
    salt=$(openssl rand -base64 3)
    { printf %s "$salt" && printf %s "$salt$password" | openssl dgst -sha256 -binary; } | openssl base64 -A
}

fill=
for account in $(sed -n 's/.*"@\([a-z]*\)@".*/\1/p' "$1"); do
    hash=$(hash_of "$2/broker_${account}_password")
    fill="$fill;s|@$account@|$hash|"
done
sed "$fill" "$1"
