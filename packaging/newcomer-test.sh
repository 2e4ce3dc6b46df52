#!/usr/bin/env bash
# Does what README tells a newcomer, as it stands there, on a Debian 12 that has nothing but `make`, git and a Rust toolchain: `make run`,
# and with it whether the first certificate verifies, then `make test`.
#
#     packaging/newcomer-test.sh [run] [test]
#
# What is committed is cloned into it. It takes root, the network, and port 8443 of this machine, whose network it shares.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

work=target/newcomer-test
root=$work/root

main() {
    local command began
    packaging/root-filesystem.sh "$work/root.tar" make git ca-certificates
    unpack
    for command in "${@:-run}"; do
        began=$SECONDS
        echo "--- make $command"
        enter newcomer.sh "make_$command"
        echo "make $command took $((SECONDS - began)) s on a bare machine."
    done
    rm -rf "$root"
}

unpack() {
    rm -rf "$root"
    mkdir -p "$root"
    tar --extract --file "$work/root.tar" --directory "$root"
    mkdir "$root/opt/rust"
    git clone --quiet --depth 1 "file://$PWD" "$root/root/chancery"
    cp packaging/newcomer.sh "$root/usr/local/bin/newcomer.sh"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
    # The network is this machine's, and with it whom one has to trust there.
    local file
    for file in /etc/resolv.conf /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
        if [[ -e $file ]]; then cp --dereference "$file" "$root$file"; fi
    done
}

# In namespaces of its own, so that what is left behind ends with it; the toolchain is this machine's and cannot be written to.
enter() {
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child --propagation private bash -c '
        set -e
        root=$1 toolchain=$2
        shift 2
        mount --bind "$root" "$root"
        cd "$root"
        mount -t proc proc proc
        mount --rbind /sys sys
        mount --rbind /dev dev
        mount --bind "$toolchain" opt/rust
        mount -o remount,bind,ro opt/rust
        pivot_root . mnt
        cd /root/chancery
        umount --lazy /mnt
        exec env --ignore-environment HOME=/root LANG=C.UTF-8 PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
    ' enter "$root" "$(rustc --print sysroot)" "$@"
}

main "$@"
