#!/usr/bin/env bash
# Holds deny.toml. With a snapshot of the RustSec advisories (the first argument) the advisories are checked as well, offline.
set -euo pipefail

snapshot=$1
if [[ ! -f $snapshot ]]; then
    echo "No advisory snapshot (set ADVISORY_DB to one): licences, bans and sources are checked without the advisories."
    exec cargo deny --locked check --hide-inclusion-graph bans licenses sources
fi

# cargo-deny keeps a database in a folder named after the hash of its repository's address, and asks FETCH_HEAD how old it is.
database=target/advisory-db/advisory-db-3157b0e258782691
rm -rf "$database"
mkdir -p "$database/.git"
tar --extract --gzip --file "$snapshot" --strip-components=1 --directory "$database"
touch --reference="$database/support.toml" "$database/.git/FETCH_HEAD"

# Offline, cargo must already have the crates of every platform, those we do not build for included.
cargo fetch --locked --quiet
cargo deny --offline --locked check --hide-inclusion-graph
# The same advisories by the database's own tool, which does not know what deny.toml ignores.
exec cargo audit --quiet --db "$database" --no-fetch
