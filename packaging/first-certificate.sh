#!/usr/bin/env bash
# Starts a development appliance and issues a first certificate through its API, as any client would: root, role, certificate.
# Then the appliance serves until Ctrl-C. On a directory that was used before, the root and the role that are there are used.
#
#     packaging/first-certificate.sh [DIRECTORY [ADDRESS:PORT]]
set -euo pipefail
shopt -s inherit_errexit

directory=${1:-./dev}
listen=${2:-127.0.0.1:8443}
daemon=${CHANCERYD:-target/release/chanceryd}
# Beside the directory, which the daemon makes itself.
log=${directory%/}.log
host=first.chancery.internal
url=https://$listen

main() {
    if somebody_listens; then
        give_up "Something listens on $listen already; stop it, or choose another address: make run LISTEN=127.0.0.1:9443"
    fi
    start
    wait_until_ready

    authority=$(find_or_create_root)
    find_or_create_role "$authority"
    issue "$authority"
    say_what_is_next
    wait "$pid" || give_up "The appliance stopped."
}

somebody_listens() {
    (exec 3<>"/dev/tcp/${listen%:*}/${listen##*:}") 2>/dev/null
}

start() {
    # Set before the daemon runs, so that it is never left behind.
    pid=
    trap stop EXIT
    trap 'exit 0' INT TERM
    "$daemon" dev --dir "$directory" --listen "$listen" >"$log" 2>&1 &
    pid=$!
}

stop() {
    if [[ -n $pid ]] && kill -TERM "$pid" 2>/dev/null; then
        # It finishes what it has begun; a second Ctrl-C does not cut that short.
        trap '' INT TERM
        wait "$pid" || true
    fi
}

wait_until_ready() {
    local tries
    for tries in {1..300}; do
        if [[ -s $directory/ca.pem && -s $directory/admin.token ]] &&
            curl --silent --fail --max-time 2 --cacert "$directory/ca.pem" "$url/healthz" >/dev/null; then
            return
        fi
        kill -0 "$pid" 2>/dev/null || give_up "The appliance stopped while it was starting."
        sleep 0.2
    done
    give_up "The appliance did not become ready within a minute ($tries tries)."
}

# METHOD PATH [JSON]: the body of a successful answer; a refusal is printed and ends the script.
api() {
    local answer status arguments=(--silent --show-error --max-time 60 --cacert "$directory/ca.pem" --request "$1")
    if [[ $# -gt 2 ]]; then arguments+=(--header 'Content-Type: application/json' --data "$3"); fi
    # The token comes over standard input, because everyone on the machine can read a command line.
    answer=$(printf 'header = "Authorization: Bearer %s"\n' "$(<"$directory/admin.token")" |
        curl --config - "${arguments[@]}" --write-out '\n%{http_code}' "$url$2")
    status=${answer##*$'\n'}
    [[ $status == 2?? ]] || give_up "$1 $2 answered $status: ${answer%$'\n'*}"
    printf '%s' "${answer%$'\n'*}"
}

find_or_create_root() {
    local list found
    list=$(api GET /v1/pki/ca)
    found=$(jq --raw-output '[(.data? // .)[] | select(.name == "acme-root" and .is_active)][0].id // empty' <<<"$list")
    if [[ -z $found ]]; then
        found=$(api POST /v1/pki/ca '{
            "name": "acme-root", "common_name": "Acme Root CA", "ca_type": "root",
            "key_type": "ec", "key_size": 256, "validity_days": 3650
        }' | jq --raw-output .id)
    fi
    printf '%s' "$found"
}

find_or_create_role() {
    local list
    list=$(api GET /v1/pki/roles)
    if ! jq --exit-status 'any((.data? // .)[]; .name == "first")' <<<"$list" >/dev/null; then
        api POST /v1/pki/roles "$(jq --null-input --arg ca "$1" '{
            name: "first", ca_id: $ca, allowed_domains: ["chancery.internal"], allow_subdomains: true,
            max_ttl: "720h", key_type: "ec", key_bits: 256
        }')" >/dev/null
    fi
}

issue() {
    local answer
    answer=$(api POST /v1/pki/issue/first "$(jq --null-input --arg host "$host" '{common_name: $host, ttl: "168h"}')")
    api GET "/v1/pki/ca/$1/certificate" | jq --raw-output .certificate_pem >"$directory/acme-root.pem"
    jq --raw-output .certificate <<<"$answer" >"$directory/first.pem"
    (
        # The key is the caller's alone.
        umask 077
        jq --raw-output .private_key <<<"$answer" >"$directory/first.key"
    )
    echo
    openssl x509 -in "$directory/first.pem" -noout -subject -issuer -serial -enddate -ext subjectAltName
    openssl verify -x509_strict -verify_hostname "$host" -CAfile "$directory/acme-root.pem" "$directory/first.pem"
}

say_what_is_next() {
    cat <<TEXT

The appliance serves at $url; its first certificate is in $directory:

    acme-root.pem   the root's certificate, whose key is in the token
    first.pem       the certificate for $host
    first.key       its private key
    admin.token     the bearer token with every right
    ca.pem          what to trust for the API's own TLS

What the daemon says is in $log.

Issue another from a second terminal:

    export CHANCERY_DIR=$directory
    target/release/chancery issue first --common-name second.chancery.internal --out $directory/second
    target/release/chancery cert list

Ctrl-C stops the appliance. README.md tells more.
TEXT
}

give_up() {
    echo "$1" >&2
    if [[ -n ${pid-} && -s $log ]]; then tail -n 20 "$log" >&2; fi
    exit 1
}

main
