#!/usr/bin/env bash
# Builds the packages of the current commit in another folder, with another target folder, and compares them with those in FOLDER.
#
#     packaging/reproduce.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(realpath "$1")
copy=$(mktemp --directory)
trap 'git worktree remove --force "$copy/source"; rm -rf "$copy"' EXIT
git worktree add --quiet --detach "$copy/source"
(
    cd "$copy/source"
    export CARGO_TARGET_DIR=$copy/built
    packaging/build.sh
    packaging/deb.sh "$copy/debian"
)
for package in "$folder"/*.deb; do
    cmp "$package" "$copy/debian/${package##*/}"
done
echo "The packages are the same, byte for byte:"
(cd "$folder" && sha256sum ./*.deb)
