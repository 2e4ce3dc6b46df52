#!/usr/bin/env bash
# Takes another snapshot of the RustSec advisories into the tree, where packaging/check-dependencies.sh reads it.
#
#     packaging/advisories.sh FILE.tar.gz
#
# FILE holds the database's repository in a folder, as an archive of a commit does. Kept are the advisories and their licence, packed so
# that the same commit gives the same bytes. packaging/advisories/README.md says which commit that was: change it with the snapshot.
set -euo pipefail
cd "$(dirname "$0")/.."

snapshot=$1
kept=$PWD/packaging/advisories/advisory-db.tar.gz
database=target/advisories
rm -rf "$database"
mkdir -p "$database"
tar --extract --gzip --file "$snapshot" --strip-components=1 --directory "$database"

count=$(find "$database/crates" -name 'RUSTSEC-*.md' | wc -l)
# There are more than a thousand since 2026; fewer are a part of the database, in which nothing would be found.
if [[ $count -lt 1000 ]]; then
    echo "$snapshot holds $count advisories, which is not the whole database." >&2
    exit 1
fi
tar --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --directory "$database" \
    LICENSE.txt support.toml crates rust | gzip --no-name -9 >"$kept.new"
mv "$kept.new" "$kept"
echo "$count advisories are kept in ${kept#"$PWD"/}: $(du --bytes "$kept" | cut -f1) bytes. Name their commit in the README beside it."
