#!/usr/bin/env bash
# Makes a Debian 12 root file system with the given packages as a .tar, from wherever this machine's apt takes Debian.
#
#     packaging/root-filesystem.sh OUT.tar [PACKAGE…]
#
# What is there is kept, since nothing in it depends on this repository: delete the file to have it made again.
set -euo pipefail

archive=$1
shift
[[ ! -s $archive ]] || exit 0

# The package sources are the machine's own, so that a mirror need not be named here.
# shellcheck disable=SC2016
sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | grep -E ' bookworm(-updates|-security)? ' | sort -u)
if [[ -z $sources ]]; then
    echo "apt on this machine has no sources of Debian 12 (bookworm), which the root file system is made from." >&2
    exit 1
fi

mkdir -p "$(dirname "$archive")"
unfinished=${archive%.tar}.unfinished.tar
echo "Making a Debian 12 root file system: $archive"
log=$archive.log
if ! mmdebstrap --variant=minbase --include="$(IFS=,; echo "$*")" bookworm "$unfinished" - <<<"$sources" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    exit 1
fi
mv "$unfinished" "$archive"
