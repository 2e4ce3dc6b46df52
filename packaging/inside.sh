#!/usr/bin/env bash
# What the install test and the power-cut test do inside the machine they install the packages on, a function each:
#
#     inside.sh FUNCTION [ARGUMENT…]
#
# The commands are those of docs/operations/install.md.
set -euo pipefail

configuration=/etc/chancery/chancery.toml
export CHANCERY_URL=https://127.0.0.1 CHANCERY_CA_FILE=/etc/chancery/tls.pem CHANCERY_TOKEN_FILE=/root/first.token

# The example, with a certificate for the listener and the first API token.
configure() {
    sed 's/"main"/"trial"/; s#/main.sock#/trial.sock#' /usr/share/doc/chanceryd/examples/chancery.toml >"$configuration"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 90 -subj "/CN=Install test" \
        -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout /etc/chancery/tls.key -out /etc/chancery/tls.pem 2>/dev/null
    chgrp chancery /etc/chancery/tls.key
    chmod 0640 /etc/chancery/tls.key
    runuser -u chancery -- chanceryd create-token --out /var/lib/chancery/first.token
    mv /var/lib/chancery/first.token "$CHANCERY_TOKEN_FILE"
}

start() {
    systemctl enable --quiet --now chancery-token@trial.socket chanceryd.socket chanceryd.service
    wait_until_ready
}

wait_until_ready() {
    # Without hardware help a machine is slow.
    for _ in {1..600}; do
        if chancery --timeout 5s health >/dev/null 2>/run/health; then return; fi
        sleep 0.2
    done
    cat /run/health >&2
    systemctl --no-pager status chanceryd.service >&2 || true
    journalctl --no-pager --unit chanceryd.service --unit 'chancery-token@*' --lines 40 >&2 || true
    return 1
}

first_certificate() {
    chancery ca create --name root --common-name "Install Test Root" --type root --key-type ec --key-size 256 >/dev/null
    chancery role create web --ca root --allowed-domain install.test --allow-subdomains --max-ttl 720h >/dev/null
    chancery ca certificate root --out /root/root.pem
    chancery issue web --common-name first.install.test --ttl 24h --out /root/first
    openssl verify -x509_strict -verify_hostname first.install.test -CAfile /root/root.pem /root/first/cert.pem
}

issue_one() {
    chancery issue web --common-name one.install.test --ttl 24h --out "/root/one-$RANDOM" >/dev/null
}

# The PIN as a credential that only this machine opens, by its own key or its TPM; from here on no file holds it in the clear.
encrypted_pin() {
    local key=$1 pin=/etc/chancery/tokens/trial.pin drop_in=/etc/systemd/system/chancery-token@trial.service.d
    local plain
    plain=$(cat "$pin")
    systemd-creds setup >/dev/null
    mkdir -p "$drop_in"
    printf '[Service]\nLoadCredential=\nLoadCredentialEncrypted=pin:%s.cred\n' "$pin" >"$drop_in/pin.conf"
    systemctl daemon-reload
    # One that was encrypted under another name is not taken for the PIN: it is systemd that opens it, and it looks.
    systemd-creds encrypt --quiet "--with-key=$key" --name=other "$pin" "$pin.cred"
    if systemctl restart chancery-token@trial.service 2>/dev/null; then
        echo "The worker started with a credential that is not its PIN's." >&2
        return 1
    fi
    [[ $(systemctl show --property ExecMainStatus --value chancery-token@trial.service) == 243 ]]
    systemd-creds encrypt --quiet "--with-key=$key" --name=pin "$pin" "$pin.cred"
    rm "$pin"
    systemctl restart chancery-token@trial.service
    wait_until_ready
    issue_one
    if grep --recursive --quiet --fixed-strings "$plain" /etc /var/lib/chancery /var/lib/chancery-token; then
        echo "The PIN is still there in the clear." >&2
        return 1
    fi
}

# What the units promise to close is closed, by the kernel's word for the two processes and for what they see.
fences() {
    local daemon worker process path
    daemon=$(systemctl show --property MainPID --value chanceryd.service)
    worker=$(systemctl show --property MainPID --value chancery-token@trial.service)
    for process in "$daemon" "$worker"; do
        for path in 'NoNewPrivs:.1' 'Seccomp:.2' 'CapEff:.0*' 'CapPrm:.0*' 'CapBnd:.0*'; do
            holds "process $process: $path" grep -qx "$path" "/proc/$process/status"
        done
        holds "process $process executes nothing that was written" grep -Eq '^[0-9]+ [0-9]+ [^ ]+ [^ ]+ / [^ ]*noexec' "/proc/$process/mountinfo"
        holds "process $process writes nothing of the system's" not touch "/proc/$process/root/usr/written"
        holds "process $process sees no D-Bus" sees_nothing "/proc/$process/root/run/dbus"
        holds "process $process sees nobody's home" sees_nothing "/proc/$process/root/root"
    done
    for path in /var/lib/chancery-token /etc/chancery/tokens; do
        holds "the daemon does not see $path" sees_nothing "/proc/$daemon/root$path"
    done
    holds "the worker does not see the daemon's data" sees_nothing "/proc/$worker/root/var/lib/chancery"
    holds "the worker has no network" not test "$(readlink "/proc/$worker/ns/net")" = "$(readlink /proc/1/ns/net)"
    holds "the daemon has users of its own" not test "$(readlink "/proc/$daemon/ns/user")" = "$(readlink /proc/1/ns/user)"
}

holds() {
    "${@:2}" 2>/dev/null || { echo "This does not hold: $1" >&2; return 1; }
}

not() {
    ! "$@"
}

# As root, whom no mode keeps out.
sees_nothing() {
    [[ -e $1 && -z $(ls -A "$1") ]]
}

# A listener of its own for administration, and what relying parties fetch over plain HTTP, both on sockets that systemd has bound.
listeners() {
    chancery token list >/dev/null
    curl --silent --show-error --fail --output /root/root.crl http://127.0.0.1/crl/root.crl
    openssl crl -inform DER -in /root/root.crl -CAfile /root/root.pem -noout 2>/run/crl
    grep -q 'verify OK' /run/crl
    systemctl stop chanceryd.service
    systemctl start chanceryd-admin.socket chanceryd.service
    wait_until_ready
    if chancery token list >/dev/null 2>&1; then
        echo "Administration is on the API although it has a listener of its own." >&2
        return 1
    fi
    CHANCERY_URL=https://127.0.0.1:9443 chancery token list >/dev/null
    systemctl stop chanceryd-admin.socket
    systemctl restart chanceryd.service
    wait_until_ready
    # The test starts it more often than anybody would in five minutes, and the unit counts.
    systemctl reset-failed chanceryd.service
}

# The socket for the day on which every token is lost; without it administration is on the API again.
break_glass() {
    # A socket is handed over at the daemon's start, so it is not running when systemd binds it.
    systemctl stop chanceryd.service
    systemctl start chanceryd-break-glass.socket chanceryd.service
    wait_until_ready
    [[ $(stat --format '%a %U:%G' /run/chancery) == "750 root:chancery" ]]
    [[ $(stat --format '%a %U:%G' /run/chancery/admin.sock) == "600 root:root" ]]
    chancery --socket /run/chancery/admin.sock token create --name recovered --scope pki:read --ttl 1d --out /root/recovered.token >/dev/null
    if chancery token list >/dev/null 2>&1; then
        echo "Administration is on the API although it has a socket of its own." >&2
        return 1
    fi
    systemctl stop chanceryd-break-glass.socket
    systemctl restart chanceryd.service
    wait_until_ready
    chancery token list | grep -q recovered
}

# A webhook's message gets out when [outbound] and the unit's drop-in both let it, and not before.
outbound() {
    printf '\n[outbound]\nenabled = true\nallow = ["127.0.0.0/8"]\nports = [8444]\nresolvers = ["127.0.0.1:53"]\n' >>"$configuration"
    systemctl restart chanceryd.service
    wait_until_ready
    chancery webhook create https://127.0.0.1:8444/hook --event ca.revoked --receiver-ca /etc/chancery/tls.pem --out /root/webhook.secret
    chancery --json webhook list | grep -o '"id": *"[^"]*"' | head -n 1 | cut -d'"' -f4 >/root/webhook
    test_webhook false
    mkdir -p /etc/systemd/system/chanceryd.service.d
    cp /usr/share/doc/chanceryd/examples/outbound.conf /etc/systemd/system/chanceryd.service.d/
    systemctl daemon-reload
    systemd-analyze verify --man=no chanceryd.service
    systemctl restart chanceryd.service
    wait_until_ready
    test_webhook true
    grep -qi '^webhook-signature: v1,' /run/received
}

# Whether a receiver on the machine gets a message. It answers by hand, when it has read it.
test_webhook() {
    rm -f /run/answer /run/received
    mkfifo /run/answer
    openssl s_server -quiet -accept 127.0.0.1:8444 -cert /etc/chancery/tls.pem -key /etc/chancery/tls.key \
        </run/answer >/run/received 2>/run/receiver.log &
    local receiver=$! answering outcome
    exec 3>/run/answer
    until [[ -n $(ss --no-header --listening --tcp --numeric 'sport = :8444') ]]; do sleep 0.1; done
    {
        until grep -qi '^webhook-signature:' /run/received; do sleep 0.1; done
        printf 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' >&3
    } &
    answering=$!
    outcome=$(chancery --json webhook test "$(cat /root/webhook)" || true)
    exec 3>&-
    kill "$answering" "$receiver" 2>/dev/null || true
    wait "$answering" "$receiver" || true
    if ! grep -q "\"delivered\": *$1" <<<"$outcome"; then
        echo "A message should have been delivered: $1. It was: $outcome" >&2
        return 1
    fi
}

# Issues until the file /root/stop is there. What was answered goes into /root/acknowledged, an id on a line; what was not into
# /root/refused.
load() {
    rm -f /root/stop
    touch /root/acknowledged /root/refused
    local number=0 answer
    while [[ ! -e /root/stop ]]; do
        number=$((number + 1))
        if answer=$(chancery --json issue web --common-name "load-$number.install.test" --ttl 24h 2>>/root/refused); then
            sed -n 's/.*"certificate_id": *"\([^"]*\)".*/\1/p; s/.*"id": *"\(cert_[^"]*\)".*/\1/p' <<<"$answer" | head -n 1 >>/root/acknowledged
        fi
    done
}

# How many certificates were answered, having looked for each of them.
all_acknowledged_are_there() {
    chancery --json cert list --all | grep -o '"id": *"cert_[^"]*"' | grep -o 'cert_[^"]*' | sort >/root/found
    sort /root/acknowledged >/root/wanted
    if [[ -n $(comm -23 /root/wanted /root/found) ]]; then
        echo "These were answered and are gone:" >&2
        comm -23 /root/wanted /root/found >&2
        return 1
    fi
    chancery audit verify /var/lib/chancery >/dev/null
    wc -l </root/wanted
}

"$@"
