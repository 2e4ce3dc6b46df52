#!/usr/bin/env bash
# Builds the two binaries as they are packaged: the same source gives the same bytes wherever and whenever it is built, and each
# binary carries the list of crates it was made from (cargo-auditable), where a scanner finds it.
#
# They have a target folder of their own (CARGO_TARGET_DIR, unless given target/package), since other flags mean other artefacts.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/package}
cargo_home=${CARGO_HOME:-$HOME/.cargo}
# Before the folders below are listed: on a fresh machine this makes them.
cargo fetch --locked --quiet

# No path of this machine: neither of the source, nor of the crates, whose folder is named after the registry they came from.
# Of two prefixes that fit, the later one counts.
prefixes=("$PWD=/chancery" "$CARGO_TARGET_DIR=/build")
for registry in "$cargo_home"/registry/src/*; do
    prefixes+=("$registry=/crates")
done
flags=()
CFLAGS=${CFLAGS-}
for prefix in "${prefixes[@]}"; do
    flags+=("--remap-path-prefix=$prefix")
    CFLAGS+=" -ffile-prefix-map=$prefix"
done
export CFLAGS CXXFLAGS=$CFLAGS
# The unit separator parts flags here, so that a path may have spaces.
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS
# No time gets into the binaries. One that does not change with the commit keeps what is built of C from being built anew for each.
export SOURCE_DATE_EPOCH=0
exec cargo auditable build --release --locked --bins
