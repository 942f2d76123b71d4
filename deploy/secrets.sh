#!/bin/sh
# Makes what docker-compose.yml reads from var/secrets: for each account a password, and the address that holds it.
# A file that exists is kept. A new password for an account: remove its two files, then docs/operations.md.
set -eu
cd "$(dirname "$0")/.."
# What the containers read from the checkout holds no secret; a `umask 027` would hide it from their accounts.
chmod -R a+rX deploy
mkdir -p var/import var/secrets
chmod 700 var/secrets
# Group 10001 is that of the containers: they read what is to be imported there, and write its reports.
chmod 2770 var/import
chgrp 10001 var/import 2>/dev/null || echo "var/import : sudo chgrp 10001 var/import, pour que les imports puissent y écrire" >&2
cd var/secrets

# password ACCOUNT: 48 hexadecimal digits, which mean themselves in an address.
password() {
    [ -s "$1_password" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$1_password"
}

# address ACCOUNT SCHEME USER HOST
address() {
    [ -s "$1_url" ] || printf '%s://%s:%s@%s/prefecture' "$2" "$3" "$(cat "$1_password")" "$4" >"$1_url"
}

password database_admin
for account in owner worker notifier lecture; do
    user=prefecture_$account
    [ $account != owner ] || user=prefecture
    password database_$account
    address database_$account postgresql+psycopg "$user" database
done
for account in worker notifier exploitant ecran; do
    password broker_$account
    address broker_$account amqp $account broker
done
password broker_producteur
[ -s web_secret ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >web_secret
# Empty where there is none.
for secret in smtp_password web_oidc_client_secret web_proxy_secret; do
    [ -e $secret ] || : >$secret
done
# The directory is closed to other accounts of the host; those of the containers read the files.
chmod 644 ./*
