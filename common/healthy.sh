#!/bin/bash
# healthy.sh worker|notifier|web [--alive]: whether the processes of this container can work, or why not; with --alive
# whether they live. A probe without Python, whose start takes longer than a probe may on a loaded host.
set -u

role=${1:-} is_alive=
[ "${2:-}" != --alive ] || is_alive=yes
health=${PREFECTURE_HOME:-var}/health

fail() {
    echo "$1"
    exit 1
}

# Each process locks its liveness file while it lives (worker/health.py); its text is what the process lacks.
# read_signs SECONDS: after so long without a sign a process is stuck.
read_signs() {
    count=0 silence=0 lacks=
    now=$(date +%s)
    for file in "$health/$role"-*; do
        [ -e "$file" ] || continue
        if flock --shared --nonblock "$file" true; then
            rm -f "$file" # its process is dead
            continue
        fi
        count=$((count + 1))
        age=$((now - $(stat --format=%Y "$file" 2>/dev/null || echo "$now")))
        [ "$age" -le "$silence" ] || silence=$age
        lack=$(cat "$file" 2>/dev/null)
        [ -z "$lack" ] || lacks="$lacks$lack
"
    done
    [ $count != 0 ] || fail "aucun processus « $role » ne tourne ici"
    [ "$silence" -le "$1" ] || fail "un processus « $role » ne donne plus signe de vie depuis $silence s"
    [ -z "$is_alive" ] || { echo "$role : $count processus en vie" && return; }
    [ -z "$lacks" ] || fail "$(printf %s "$lacks" | sort --unique | sed ':all; N; $!ball; s/\n/ ; /g')"
    echo "$role : $count processus au travail"
}

ask_screen() {
    path=/sante
    [ -z "$is_alive" ] || path=/sante/vie
    port=${PREFECTURE_WEB_PORT:-8000}
    { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || fail "l'écran ne répond pas"
    printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1:%s\r\n\r\n' "$path" "$port" >&3
    read -r -t 10 _ status _ <&3 || fail "l'écran ne répond pas"
    sed '1,/^\r$/d' <&3 # what follows the headers: why not
    [ "$status" = 200 ] || exit 1
}

case $role in
worker) read_signs 30 ;;
notifier) read_signs 120 ;; # a mail server may use up several time-outs
web) ask_screen ;;
*) echo "healthy.sh worker|notifier|web [--alive]" >&2 && exit 2 ;;
esac
