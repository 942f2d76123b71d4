#!/bin/sh
# alertmanager.sh SERVER: print Alertmanager's configuration, which is alertmanager.yml and by which mail server the
# operator is told. SERVER is a file with an address like that of PREFECTURE_SMTP_SERVER; ALERTS_TO names the recipients.
# Without the one or the other no mail is sent.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
address=$(cat "$1")
to=${ALERTS_TO:-}

# decoded TEXT: without its percent-encoding.
decoded() {
    text=$1
    while [ "$text" != "${text#*%??}" ]; do
        after=${text#*%}
        printf '%s' "${text%%%*}"
        # shellcheck disable=SC2059 # the format is an octal escape
        printf "\\$(printf %o "0x${after%"${after#??}"}")"
        text=${after#??}
    done
    printf '%s' "$text"
}

quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"; }

server='' is_tls=false account='' receiver=operator
case $address in
'') ;;
smtp://*) default=25 ;;
smtp+starttls://*) default=587 is_tls=true ;;
smtps://*) default=465 ;;
*) echo 'alertmanager.sh: smtp://, smtp+starttls:// or smtps:// is expected' >&2 && exit 1 ;;
esac
if [ -n "$address" ]; then
    server=${address#*://}
    server=${server%%/*}
    account=${server%@*}
    [ "$account" != "$server" ] || account=''
    server=${server##*@}
    case $server in
    *]) server=$server:$default ;; # an address of IPv6
    *:*) ;;
    *) server=$server:$default ;;
    esac
    case $address in
    smtps://*)
        [ "${server##*:}" = 465 ] || { echo 'alertmanager.sh: Alertmanager speaks smtps at port 465 only' >&2 && exit 1; } ;;
    esac
fi
if [ -z "$to" ] || [ -z "$server" ]; then
    echo 'alertmanager.sh: no mail server, or no ALERTS_TO in .env: no alert is mailed' >&2
    receiver=none
fi

echo "global:
  smtp_smarthost: $(quoted "${server:-localhost:25}")
  smtp_from: $(quoted "${PREFECTURE_MAIL_FROM:-module-prefecture@localhost}")
  smtp_require_tls: $is_tls"
if [ -n "$account" ]; then
    echo "  smtp_auth_username: $(quoted "$(decoded "${account%%:*}")")
  smtp_auth_password: $(quoted "$(decoded "${account#*:}")")"
fi
echo "
receivers:
  - name: none
  - name: operator
    email_configs:
      - to: $(quoted "${to:-nobody@localhost}")
        send_resolved: true
        headers:
          Subject: '{{ template \"subject\" . }}'
        html: ''
        text: '{{ template \"text\" . }}'
templates:
  - $(quoted "$folder/alertmanager.tmpl")
"
sed "s/^  receiver: operator\$/  receiver: $receiver/" "$folder/alertmanager.yml"
