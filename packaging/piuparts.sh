#!/usr/bin/env bash
# Installs, upgrades, removes and purges the packages in a bare Debian 12, and fails when a purge leaves something behind.
#
#     packaging/piuparts.sh FOLDER NEWER
#
# FOLDER holds the packages, NEWER the same with a higher version. It takes root.
set -euo pipefail
cd "$(dirname "$0")/.."

work=target/piuparts
# With what the packages depend on, so that only what they leave behind themselves is seen.
packaging/root-filesystem.sh "$work/root.tar" debconf systemd softhsm2
[[ $work/root.tgz -nt $work/root.tar ]] || gzip -1 --stdout "$work/root.tar" >"$work/root.tgz"

# The version that is upgraded from has to come out of an archive.
archive=$(mktemp --directory)
trap 'rm -rf "$archive"' EXIT
chmod 0755 "$archive"
cp "$1"/*.deb "$archive/"
(cd "$archive" && dpkg-scanpackages . >Packages 2>/dev/null)

# A purge never touches the keys of a token, nor what is needed to use them: the trial token's folders stay.
kept='^/(etc/chancery/?|etc/chancery/tokens/?|etc/chancery/tokens/trial\..*|var/lib/chancery-token/?|var/lib/chancery-token/trial(/.*)?)$'
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
log=$work/piuparts.log
if ! piuparts --basetgz "$work/root.tgz" --distribution bookworm --mirror "$mirror" --bindmount "$archive" \
    --extra-repo "deb [trusted=yes] file:$archive ./" --ignore-regex "$kept" "$2"/*.deb >"$log" 2>&1; then
    grep -E 'ERROR|FAIL|WARN' --after-context 5 "$log" | tail -n 40 >&2
    exit 1
fi
tail -n 1 "$log"
