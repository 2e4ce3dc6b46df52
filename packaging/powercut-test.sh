#!/usr/bin/env bash
# Cuts the power of a machine that issues, and looks whether anything that was answered is gone.
#
#     packaging/powercut-test.sh FOLDER [ROUNDS]
#
# The packages in FOLDER are installed on a disk of Debian 12, which qemu boots without hardware help. Clients outside the machine have
# certificates issued and note what was answered. Then the disk stops in the midst of a flush and qemu is killed, and with it everything the
# guest held in memory. The disk is volatile-disk.py, which forgets a random half of what the guest had written and not flushed. Then the same disk is booted again:
# each certificate that was answered in any round must be there, and the audit trail must be whole. It shows that nothing is answered
# before it is flushed. It does not show what a disk does that lies about flushing.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

work=target/powercut-test
root=$work/root
disk=$work/disk
port=${PORT:-18443}
clients=4
client=${CARGO_TARGET_DIR:-target/package}/release/chancery
qemu='' server=''

main() {
    local packages=$1 rounds=${2:-10} round
    packaging/root-filesystem.sh "$work/root.tar" systemd-sysv dbus apparmor curl openssl ca-certificates softhsm2 procps iproute2 udev \
        linux-image-cloud-amd64 initramfs-tools
    make_disk "$packages"
    trap cut EXIT
    : >"$work/acknowledged"
    for ((round = 1; round <= rounds; round++)); do
        boot "$round"
        if [[ $round -eq 1 ]]; then first_authority; else look "$((round - 1))"; fi
        issue_until_killed
    done
    boot "$((rounds + 1))"
    look "$rounds"
    echo "$rounds power cuts, $(wc -l <"$work/acknowledged") certificates answered, none lost: passed in $SECONDS s."
}

make_disk() {
    rm -rf "$root" "$disk" "$work"/*.pem
    mkdir -p "$root"
    tar --extract --file "$work/root.tar" --directory "$root"
    cp "$1"/*.deb "$root/root/"
    cp packaging/inside.sh "$root/usr/local/bin/inside.sh"
    # shellcheck disable=SC2016
    chroot "$root" bash -c 'mount -t proc proc /proc && dpkg --install /root/*.deb; code=$?; umount /proc; exit $code' >"$work/install.log" 2>&1
    chroot "$root" inside.sh configure >>"$work/install.log"
    chroot "$root" systemctl enable --quiet chancery-token@trial.socket chanceryd.socket chanceryd.service systemd-networkd.service
    printf '[Match]\nName=e*\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/guest.network"
    install_witness
    echo '/dev/vda / ext4 defaults 0 1' >"$root/etc/fstab"
    cp "$root/etc/chancery/tls.pem" "$root/root/first.token" "$work/"
    cp "$root"/boot/vmlinuz-* "$work/kernel"
    cp "$root"/boot/initrd.img-* "$work/initrd"
    mke2fs -q -t ext4 -d "$root" "$disk" 2G
    rm -rf "$root"
}

# What only somebody inside can see is said on the console at every boot: that the audit trail is whole, and that the daemon runs under
# its AppArmor profile, which no other test has a kernel for.
install_witness() {
    cat >"$root/usr/local/bin/witness" <<'TEXT'
#!/bin/sh
if chancery audit verify /var/lib/chancery; then echo "witness: the audit trail is whole"; else echo "witness: the audit trail is damaged"; fi
for unit in chanceryd.service chancery-token@trial.service; do
    process=$(systemctl show --property MainPID --value "$unit")
    if [ "$process" != 0 ]; then echo "witness: $(cat "/proc/$process/attr/current")"; else journalctl --no-pager --lines 15 --unit "$unit"; fi
done
journalctl --no-pager --dmesg --grep apparmor=.DENIED
TEXT
    chmod 0755 "$root/usr/local/bin/witness"
    cat >"$root/etc/systemd/system/witness.service" <<'TEXT'
[Unit]
After=chanceryd.service
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
ExecStart=witness
[Install]
WantedBy=multi-user.target
TEXT
    chroot "$root" systemctl enable --quiet witness.service
}

# The seed of the disk's die is the round, so that a round can be had again.
boot() {
    local socket=$work/disk.socket tries
    rm -f "$socket"
    python3 packaging/volatile-disk.py "$disk" "$socket" "$1" >>"$work/disk.log" &
    server=$!
    until [[ -S $socket ]]; do sleep 0.1; done
    qemu-system-x86_64 -machine "q35,accel=${ACCEL:-tcg}" -cpu max -smp 2 -m 1024 -nographic -no-reboot \
        -kernel "$work/kernel" -initrd "$work/initrd" -append "root=/dev/vda console=ttyS0 quiet" \
        -drive "file=nbd:unix:$socket,format=raw,if=virtio,cache=none" \
        -nic "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:$port-:443" -device virtio-rng-pci \
        </dev/null >"$work/console-$1.log" 2>&1 &
    qemu=$!
    for tries in {1..600}; do
        if ask --timeout 5s health >/dev/null 2>"$work/health"; then return; fi
        kill -0 "$qemu" 2>/dev/null || break
        sleep 0.5
    done
    echo "The machine does not answer ($tries tries): $(cat "$work/health")" >&2
    tail -n 20 "$work/console-$1.log" >&2
    exit 1
}

ask() {
    CHANCERY_URL=https://127.0.0.1:$port CHANCERY_CA_FILE=$work/tls.pem CHANCERY_TOKEN_FILE=$work/first.token "$client" "$@"
}

first_authority() {
    ask ca create --name root --common-name "Power Cut Root" --type root --key-type ec --key-size 256 >/dev/null
    ask role create web --ca root --allowed-domain cut.test --allow-subdomains --max-ttl 720h >/dev/null
}

# Each client notes an id only after the whole answer is there.
issue_until_killed() {
    local number pids=() before
    before=$(wc -l <"$work/acknowledged")
    for ((number = 0; number < clients; number++)); do
        (while answer=$(ask --json issue web --common-name "n$RANDOM.cut.test" --ttl 240h 2>/dev/null); do
            grep -o 'cert_[0-9a-f]*' <<<"$answer" | head -n 1 >>"$work/acknowledged"
        done) &
        pids+=($!)
    done
    # Long enough to issue, and never the same time.
    until [[ $(wc -l <"$work/acknowledged") -ge $((before + 20 + RANDOM % 60)) ]]; do
        kill -0 "$qemu"
        sleep 0.1
    done
    # The disk goes first, in the midst of a flush that is never answered.
    kill -USR1 "$server"
    wait "$server"
    cut
    wait "${pids[@]}" || true
}

# Killed, not ended: the guest has no time for anything.
cut() {
    if [[ -n $qemu ]]; then kill -KILL "$qemu" 2>/dev/null || true; wait "$qemu" 2>/dev/null || true; fi
    if [[ -n $server ]]; then wait "$server" || true; fi
    qemu='' server=''
}

look() {
    ask --json cert list --all | grep -o '"id": *"cert_[^"]*"' | grep -o 'cert_[0-9a-f]*' | sort -u >"$work/found"
    local lost
    lost=$(sort -u "$work/acknowledged" | comm -23 - "$work/found")
    if [[ -n $lost ]]; then
        echo "After power cut $1 these are gone, which were answered:" >&2
        echo "$lost" >&2
        exit 1
    fi
    await_witness "$(($1 + 1))"
    echo "power cut $1: all $(wc -l <"$work/acknowledged") certificates are there; $(tail -n 1 "$work/disk.log")"
}

await_witness() {
    local said tries
    for said in 'the audit trail is whole' 'chanceryd (enforce)' 'chancery-token (enforce)'; do
        for tries in {1..240}; do
            ! grep -q --text --fixed-strings "witness: $said" "$work/console-$1.log" || continue 2
            sleep 0.5
        done
        echo "After boot $1 the witness did not say in $tries tries: $said" >&2
        grep --text 'witness:' "$work/console-$1.log" >&2
        exit 1
    done
}

main "$@"
