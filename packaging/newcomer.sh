#!/usr/bin/env bash
# What the newcomer test does inside the bare machine, in the folder of the clone:
#
#     newcomer.sh make_run|make_test
set -euo pipefail
# What runs in the background is a process group of its own, which Ctrl-C can be sent to.
set -m

# Twice, for the second time goes on with what is there.
make_run() {
    local first
    run_until_it_serves
    first=$(openssl x509 -in dev/acme-root.pem -noout -fingerprint -sha256)
    run_until_it_serves
    [[ $(openssl x509 -in dev/acme-root.pem -noout -fingerprint -sha256) == "$first" ]] || give_up "The second run made another root."
}

run_until_it_serves() {
    make run >/root/run.log 2>&1 &
    local tries
    for tries in {1..3600}; do
        if grep -q '^Ctrl-C stops the appliance' /root/run.log; then break; fi
        kill -0 %% 2>/dev/null || give_up "make run ended."
        sleep 1
    done
    grep -q '^\./dev/first.pem: OK$' /root/run.log || give_up "The first certificate was not verified ($tries s)."
    openssl verify -x509_strict -CAfile dev/acme-root.pem dev/first.pem
    curl --silent --fail --cacert dev/ca.pem https://127.0.0.1:8443/healthz >/dev/null || give_up "The appliance does not answer."
    # What Ctrl-C does.
    kill -INT %%
    { wait || true; } 2>/dev/null
    if (exec 3<>/dev/tcp/127.0.0.1/8443) 2>/dev/null; then give_up "The appliance outlived Ctrl-C."; fi
}

make_test() {
    if ! make test >/root/test.log 2>&1; then
        grep -E '^ +(FAIL|TIMEOUT|SIGNAL)|^error' /root/test.log | sort -u || true
        tail -n 40 /root/test.log
        exit 1
    fi
    grep '^ *Summary' /root/test.log
}

give_up() {
    echo "$1" >&2
    tail -n 40 /root/run.log >&2
    exit 1
}

"$@"
