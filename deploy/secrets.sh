#!/bin/sh
# Makes what docker-compose.yml reads from var/secrets: for each account a password, and the address that holds it.
# A file that exists is kept. With names behind it, the certificates are for these too: `sh deploy/secrets.sh broker.mairie.example`.
# A new password for an account: remove its two files, then docs/operations.md.
set -eu
cd "$(dirname "$0")/.."
# A second checkout would take over the containers of the first, with other passwords.
project=$(sed -n 's/^COMPOSE_PROJECT_NAME=//p' .env 2>/dev/null | tail -n 1)
project=${project:-prefecture}
elsewhere=$(docker ps --all --filter "label=com.docker.compose.project=$project" \
    --format '{{.Label "com.docker.compose.project.working_dir"}}' 2>/dev/null | grep -vxF -e "$PWD" -e "$(pwd -P)" | head -n 1) || true
[ -z "$elsewhere" ] || { echo "secrets.sh: the project $project already runs from $elsewhere: nothing was changed.
Give this one a name and ports of its own in .env: docs/operations.md, « A second installation on one host »" >&2 && exit 1; }
# What the containers read from the checkout holds no secret; a `umask 027` would hide it from their accounts.
chmod -R a+rX deploy
mkdir -p var/import var/metrics var/profiles var/secrets
chmod a+rx var/metrics
chmod 700 var/secrets
# Group 10001 is that of the containers: they read what is to be imported there, and write its reports. Who is not of that
# group would take the bit away that gives it to new files.
[ "$(stat -c %g:%a var/import)" = 10001:2770 ] || chmod 2770 var/import
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
for account in owner requests listes tableaux bulk registre notifier ecran lecture; do
    user=prefecture_$account
    [ $account != owner ] || user=prefecture
    password database_$account
    address database_$account postgresql+psycopg "$user" database
done
for account in requests listes tableaux bulk registre notifier exploitant ecran; do
    password broker_$account
    address broker_$account amqp $account broker
done
password broker_producteur
# Of the release before, whose workers shared one: for the way back to it, and for who runs one process for all queues.
password broker_worker
password database_worker
for secret in web_secret web_proxy_secret; do
    [ -s $secret ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >$secret
done
# Empty where there is none.
for secret in smtp_server web_oidc_client_secret; do
    [ -e $secret ] || : >$secret
done
# The same addresses for deploy/tls.yml, made from the others each time: each server is checked against our authority.
authority=/run/secrets/authority
for address in *_url; do
    case $address in
    *_tls_url) ;;
    broker_*) sed "s|^amqp://|amqps://|; s|\$|?ssl_options=%7B%27ca_certs%27:%27$authority%27%7D|" "$address" >"${address%_url}_tls_url" ;;
    *) sed "s|\$|?sslmode=verify-full\&sslrootcert=$authority|" "$address" >"${address%_url}_tls_url" ;;
    esac
done

# certificate HOST NAME...: signed by an authority whose key is not kept: a new one makes all of them anew.
certificate() {
    host=$1
    printf 'extendedKeyUsage=serverAuth\nsubjectAltName=DNS:%s' "$host" >options
    shift
    for name in "$@"; do printf ',DNS:%s' "$name" >>options; done
    openssl req -new -newkey rsa:3072 -nodes -subj "/CN=$host" -keyout "${host}_key.pem" -out request 2>/dev/null
    openssl x509 -req -in request -days 3650 -sha256 -CA authority.pem -CAkey signing -CAcreateserial -CAserial serial \
        -extfile options -out "${host}_certificate.pem" 2>/dev/null
}
if [ ! -s authority.pem ] && command -v openssl >/dev/null; then
    openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj "/CN=Module Prefecture" -keyout signing -out authority.pem \
        -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
    for host in broker database; do
        [ -s ${host}_certificate.pem ] || certificate $host "$@"
    done
    rm -f signing serial request options
fi
# The directory is closed to other accounts of the host; those of the containers read the files.
chmod 644 ./*
