#!/usr/bin/env bash
# Holds deny.toml, and the lock files against the RustSec advisories that are kept in packaging/advisories. It asks the network for
# nothing but crates that are not there yet.
set -euo pipefail
cd "$(dirname "$0")/.."

# cargo-deny keeps a database in a folder named after the hash of its repository's address, and asks FETCH_HEAD how old it is; how old
# this one is, its README tells.
database=target/advisory-db/advisory-db-3157b0e258782691
rm -rf "$database"
mkdir -p "$database/.git"
tar --extract --gzip --file packaging/advisories/advisory-db.tar.gz --directory "$database"
touch "$database/.git/FETCH_HEAD"
newest=$(grep --recursive --no-filename --only-matching --max-count=1 --extended-regexp '^date = "[0-9-]+"' "$database/crates" | sort | tail -n 1)
echo "The newest of the advisories in packaging/advisories has $newest."

audit() {
    cargo audit --quiet --db "$database" --no-fetch --stale --file "$@"
}

# A check that finds nothing in what is known to be bad would find nothing anywhere.
if found=$(audit packaging/advisories/vulnerable.Cargo.lock 2>&1) || [[ $found != *RUSTSEC-2021-0003* ]]; then
    printf 'The fault of packaging/advisories/vulnerable.Cargo.lock was not found:\n%s\n' "$found" >&2
    exit 1
fi
# The fuzz targets' lock file as well, whose crates are not those of the appliance alone.
for lock in Cargo.lock tests/fuzz/Cargo.lock; do audit "$lock"; done

# Offline, cargo must already have the crates of every platform, those we do not build for included.
cargo fetch --locked --quiet
exec cargo deny --offline --locked check --hide-inclusion-graph
