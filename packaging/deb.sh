#!/usr/bin/env bash
# Makes the Debian packages from binaries that packaging/build.sh has built: chanceryd and chancery-softhsm.
#
#     packaging/deb.sh FOLDER [VERSION]
#
# The version is the crate's unless it is given. The same binaries and the same commit give the same packages, byte for byte.
# PROFILE=dev packs what the tests have built in the place of a release: the same files, for trying out what becomes of them.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
profile=${PROFILE:-release}
case $profile in
release) built=target/package artefacts=release ;;
dev) built=target artefacts=debug ;;
*) echo "There are packages of the profiles release and dev, not of $profile." >&2; exit 2 ;;
esac
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/$built}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
# What tar and the file system note of who built it.
umask 022

sections_of() {
    local program
    program=$(mktemp)
    cat >"$program"
    objdump --section-headers "$program"
    rm "$program"
}

share=target/package/share
rm -rf "$share"
mkdir -p "$share" "$folder"
rm -f "$folder"/*.deb
"$CARGO_TARGET_DIR/$artefacts/chanceryd" manual --out "$share"
packaging/bill-of-materials.sh >"$share/bill-of-materials.json"

arguments=(--no-build --profile "$profile" --locked --quiet --no-dbgsym --strip --output "$folder")
if [[ $# -gt 1 ]]; then arguments+=(--deb-version "$2"); fi
cargo deb "${arguments[@]}"
cargo deb "${arguments[@]}" --variant softhsm
# What an administrator fetches stays small, and its programs still carry the list of their crates; the development build is not fetched by
# anybody.
if [[ $profile == release ]]; then
    for program in chanceryd chancery; do
        sections=$(dpkg-deb --fsys-tarfile "$folder"/chanceryd_*.deb | tar --extract --to-stdout "./usr/bin/$program" | sections_of)
        [[ $sections == *.dep-v0* ]] || { echo "$program was built without its list of crates." >&2; exit 1; }
    done
    large=$(find "$folder" -name '*.deb' -size +15M)
    [[ -z $large ]] || { echo "More than 15 MB: $large" >&2; exit 1; }
fi
