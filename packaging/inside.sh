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
    for _ in {1..150}; do
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
