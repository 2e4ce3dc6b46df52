#!/usr/bin/env bash
# Installs the packages on a Debian 12 that is booted for it, and does what an administrator does with them: start, issue, kill, upgrade
# under load, an upgrade that must not start, remove, purge.
#
#     packaging/install-test.sh FOLDER NEWER
#
# FOLDER holds the packages, NEWER the same with a higher version. The machine is systemd-nspawn's: it shares the kernel and has its own
# processes, users and network. It takes root, and leaves nothing running.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

work=target/install-test
root=$work/root

main() {
    local packages=$1 newer=$2
    packaging/root-filesystem.sh "$work/root.tar" \
        systemd-sysv dbus apparmor curl openssl ca-certificates softhsm2 procps iproute2
    unpack "$packages" "$newer"
    boot
    step "install" install_packages
    step "contents" contents
    step "configure" inside configure
    step "start" inside start
    step "issue" inside first_certificate
    step "fences" inside fences
    step "an encrypted PIN" inside encrypted_pin host
    step "listeners" inside listeners
    step "kill -9" kill_and_return
    step "a module that crashes again and again" crash_again_and_again
    step "break-glass" inside break_glass
    step "outgoing connections" inside outbound
    step "upgrade under load" upgrade_under_load
    step "an upgrade that cannot serve" refused_upgrade
    step "an upgrade that cannot read the store" refused_store
    step "remove" remove
    step "purge, nobody asked" purge_unasked
    step "purge, data given up" purge_asked
    echo "The packages install, serve, upgrade and go: passed in $SECONDS s."
}

step() {
    echo "--- $1"
    "${@:2}"
}

unpack() {
    rm -rf "$root"
    mkdir -p "$root"
    tar --extract --file "$work/root.tar" --directory "$root"
    mkdir "$root/packages" "$root/newer"
    cp "$1"/*.deb "$root/packages/"
    cp "$2"/*.deb "$root/newer/"
    cp packaging/inside.sh "$root/usr/local/bin/inside.sh"
}

# In a mount namespace of its own with the file systems systemd wants to find, whatever this machine's PID 1 is.
boot() {
    # shellcheck disable=SC2016
    unshare --mount --propagation private bash -c '
        set -e
        mount -t tmpfs tmpfs /run
        umount --recursive /sys/fs/cgroup
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
        exec systemd-nspawn --quiet --directory "$1" --machine chancery-install-test --boot --private-network --register=no \
            --keep-unit --console=pipe --kill-signal=SIGRTMIN+3' nspawn "$root" </dev/null >"$work/console.log" 2>&1 &
    nspawn=$!
    trap stop EXIT
    local tries
    for tries in {1..300}; do
        # systemd-nspawn has taken the shell's place; its child is PID 1 inside.
        if init=$(pgrep --parent "$nspawn" --exact systemd) &&
            [[ $(enter systemctl is-system-running 2>/dev/null || true) == @(running|degraded) ]]; then return; fi
        kill -0 "$nspawn" 2>/dev/null || break
        sleep 0.2
    done
    echo "The machine did not boot ($tries tries):" >&2
    tail -n 20 "$work/console.log" >&2
    exit 1
}

stop() {
    kill -TERM "$nspawn" 2>/dev/null || true
    wait "$nspawn" || true
}

must_fail() {
    if "$@" >/dev/null; then
        echo "This should have failed: $*" >&2
        exit 1
    fi
}

enter() {
    nsenter --target "$init" --all --root --wdns=/ env --ignore-environment HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

inside() {
    enter inside.sh "$@"
}

install_packages() {
    enter bash -c 'apt-get --quiet --quiet install --yes /packages/*.deb' >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
    grep -q 'Chancery is installed and not yet configured' "$work/install.log"
    # Nothing serves before somebody has said how.
    must_fail enter systemctl --quiet is-active chanceryd.service
}

# What the package has beside the two programs; what its units refer to is there.
contents() {
    local file
    for file in man/man8/chanceryd.8.gz man/man8/chanceryd-serve.8.gz man/man1/chancery.1.gz man/man1/chancery-doctor-token.1.gz \
        man/man5/chancery.toml.5.gz man/man5/chancery-token.toml.5.gz bash-completion/completions/chancery{,d} \
        zsh/vendor-completions/_chancery{,d} fish/vendor_completions.d/chancery{,d}.fish doc/chanceryd/examples/{chancery,main}.toml \
        doc/chanceryd/{security.md,operations/tokens.md,bill-of-materials.json}; do
        enter test -s "/usr/share/$file" || { echo "The package has no /usr/share/$file." >&2; exit 1; }
    done
    enter test -s /etc/apparmor.d/chanceryd
    enter grep -q '"pkg:cargo/rustls@' /usr/share/doc/chanceryd/bill-of-materials.json
    for file in $(enter bash -c "sed -n 's#^Documentation=.*file://##p' /usr/lib/systemd/system/chance*"); do
        enter test -s "$file" || { echo "A unit refers to $file, which is not there." >&2; exit 1; }
    done
}

main_pid() {
    enter systemctl show --property MainPID --value chanceryd.service
}

kill_and_return() {
    local before
    before=$(main_pid)
    begin_load
    enter kill -KILL "$before"
    until [[ $(main_pid) != @(0|"$before") ]]; do sleep 0.2; done
    inside wait_until_ready
    end_load
}

# More often and faster than systemd would start a unit without being told otherwise.
crash_again_and_again() {
    local crash worker=0 last=0
    for crash in {1..15}; do
        # The next one, and none that is counted twice.
        for _ in {1..300}; do
            worker=$(enter systemctl show --property MainPID --value chancery-token@trial.service)
            [[ $worker == @(0|"$last") ]] || break
            sleep 0.1
        done
        [[ $worker != @(0|"$last") ]] || { echo "The worker was not started again after $((crash - 1)) crashes." >&2; exit 1; }
        # Not SEGV: the first one that no fault of its own has raised only takes Rust's handler away.
        enter kill -ABRT "$worker"
        last=$worker
    done
    inside wait_until_ready
    echo "the worker was ended $crash times"
    inside issue_one
}

upgrade_under_load() {
    local before
    before=$(main_pid)
    begin_load
    enter bash -c 'apt-get --quiet --quiet install --yes /newer/*.deb' >"$work/upgrade.log" 2>&1 || { cat "$work/upgrade.log"; exit 1; }
    [[ $(main_pid) != "$before" ]] || { echo "The daemon was not restarted." >&2; exit 1; }
    inside wait_until_ready
    end_load
}

begin_load() {
    enter rm -f /root/acknowledged /root/refused
    inside load &
    load=$!
    await_acknowledged 5
}

# Some more must have been answered by what came after, before the load ends.
end_load() {
    await_acknowledged $(($(acknowledged) + 5))
    enter touch /root/stop
    wait "$load"
    echo "$(inside all_acknowledged_are_there) certificates were answered, and all of them are there;" \
        "$(enter cat /root/refused | grep -c '^chancery:' || true) requests were not answered"
}

await_acknowledged() {
    local tries
    for tries in {1..600}; do
        [[ $(acknowledged) -lt $1 ]] || return 0
        sleep 0.2
    done
    echo "Only $(acknowledged) certificates were answered in $tries tries:" >&2
    enter tail -n 3 /root/refused >&2
    exit 1
}

acknowledged() {
    enter cat /root/acknowledged 2>/dev/null | wc -l
}

# What the new version cannot serve by must leave the old one serving: the daemon's configuration, and that of a token's worker.
refused_upgrade() {
    local file line
    for file in chancery.toml tokens/trial.toml; do
        line='not_a_key = 1'
        [[ $file == chancery.toml ]] || line='sessions = 1000'
        enter sed -i "1i $line" "/etc/chancery/$file"
        must_refuse /packages "${line%% *}" "with $line in $file"
        enter sed -i 1d "/etc/chancery/$file"
    done
    enter dpkg --configure chanceryd
    inside wait_until_ready
}

# The package of a folder does not take over, says why, and the daemon that runs goes on.
must_refuse() {
    local folder=$1 why=$2 circumstance=$3 before
    before=$(main_pid)
    if enter bash -c "dpkg --install $folder/chanceryd_*.deb" >"$work/refused.log" 2>&1; then
        echo "The upgrade went through $circumstance." >&2
        exit 1
    fi
    grep -q "$why" "$work/refused.log"
    grep -q 'The daemon was not restarted' "$work/refused.log"
    [[ $(main_pid) == "$before" ]]
    inside wait_until_ready
}

# A dry run reads the store before the daemon is restarted, and what it cannot read leaves the old one serving.
refused_store() {
    local journal=/var/lib/chancery/journal/0000000001.log
    enter dd if="$journal" of=/root/good-byte bs=1 skip=300 count=1 status=none
    enter bash -c "tr '\\000-\\377' '\\001-\\377\\000' </root/good-byte | dd of=$journal bs=1 seek=300 conv=notrunc status=none"
    must_refuse /newer 'the journal is damaged in segment 1' 'with a journal that is damaged'
    enter dd if=/root/good-byte of="$journal" bs=1 seek=300 conv=notrunc status=none
    enter dpkg --configure chanceryd
    inside wait_until_ready
    enter chanceryd migrate --dry-run
}

remove() {
    enter apt-get --quiet --quiet remove --yes chanceryd chancery-softhsm >"$work/remove.log" 2>&1 || { cat "$work/remove.log"; exit 1; }
    must_fail enter pgrep --exact chanceryd
    enter test -d /var/lib/chancery/journal -a -e /etc/chancery/chancery.toml
}

tokens() {
    enter find /var/lib/chancery-token /etc/chancery -name '*.object' -o -name '*.pin.cred' | sort
}

purge_unasked() {
    local keys
    keys=$(tokens)
    [[ $keys == *.object* && $keys == *.pin.cred* ]]
    enter dpkg --purge chanceryd chancery-softhsm >"$work/purge.log" 2>&1 || { cat "$work/purge.log"; exit 1; }
    enter test -d /var/lib/chancery/journal -a -e /etc/chancery/chancery.toml
    [[ $(tokens) == "$keys" ]]
}

purge_asked() {
    local keys left
    keys=$(tokens)
    enter bash -c 'apt-get --quiet --quiet install --yes /newer/*.deb' >"$work/again.log" 2>&1
    # What was kept is served again.
    inside start
    inside all_acknowledged_are_there >/dev/null
    enter debconf-set-selections <<<'chanceryd chanceryd/remove-data boolean true'
    enter apt-get --quiet --quiet purge --yes chanceryd chancery-softhsm >"$work/purge.log" 2>&1 || { cat "$work/purge.log"; exit 1; }
    left=$(enter find /var/lib/chancery -mindepth 1 2>/dev/null || true)
    [[ -z $left ]] || { echo "A purge that was asked for leaves: $left" >&2; exit 1; }
    must_fail enter test -e /etc/chancery/chancery.toml
    [[ $(tokens) == "$keys" ]]
}

main "$@"
